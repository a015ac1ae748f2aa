"""Figures of a run, and of what its memory did with one sequence."""

import argparse

from .parser import add_checkpoint, add_format, add_trust, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and which sequence."""
    parser.add_argument("run_dir", metavar="RUN_DIR", help="a run directory, such as runs/copy-ntm/<id>")
    parser.add_argument("--length", type=positive, help="length of the sequence shown; the longest trained on")
    parser.add_argument("--seed", type=int, default=0, help="which sequence (0)")
    add_format(parser)
    add_checkpoint(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets show``."""
    from ..experiments.figures import draw_run
    from ..experiments.load import load_run
    from ..experiments.printing import print_paths, say
    from ..training.inspection import example_text

    directory, _config, objects = load_run(options.run_dir, which=options.checkpoint, vouched=options.trust)
    model, task = objects.model, objects.task
    table = {int(n): row for n, row in directory.read_result().get("lengths", {}).items()}
    given = {"seed": options.seed, "length": options.length, "ending": f".{options.format}"}
    paths = draw_run(directory, model, task, table, **given, asked_for=True)
    if text := example_text(model, task, seed=options.seed, length=options.length):
        say(text)
    print_paths(paths)
    return 0
