"""Errors on sequences of each length; of several runs a row each."""

import argparse
import inspect
from pathlib import Path
from typing import Any

from ..base.errors import UsageError
from .parser import add_checkpoint, add_trust, numbers, positive

WAYS = ("attention", "ctc", "joint")
"""Who can read a line; ``memnets.decoding.joint.DECODES``, without importing torch."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, and what to test them on."""
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", nargs="*",
        help="run directories, such as runs/copy-ntm/<id>; with --data none for the reader that ships")  # fmt: skip
    add("--lengths", type=numbers, help="such as 20,40,80,120; the task's own by default")
    add(
        "--slots",
        type=positive,
        help="slots of memory to test with; as trained by default, stacks and tapes as many as steps",
    )
    add("--sequences", type=positive, default=100, help="sequences of each length (100)")
    add("--failures", action="store_true", help="count the sequences that fail, in place of scores")
    add("--repeats", type=positive, help="how often each is asked for, in tasks that repeat")
    add("--split", help="other data of the task, such as unseen-font; what it keeps for the end")
    add("--data", metavar="PATH", help="score a reader on this labelled set instead, such as gt.txt")
    add("--wrong", metavar="FILE", help="with --data: its wrong lines as FILE.csv, or with their images as FILE.html")
    add("--decode", choices=WAYS, help="who reads, of a reader; its own way by default")
    add("--beam", metavar="N", type=positive, help="texts kept while searching (1: greedy)")
    add_checkpoint(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets lengths``."""
    if options.wrong and not options.data:
        raise UsageError("lengths: --wrong is of the lines of a labelled set: give it with --data PATH")
    if options.data:
        return _score(options)
    if not options.run_dir:
        raise UsageError("lengths: RUN_DIR is missing: name a run, or with --data PATH score the reader that ships")
    from ..experiments.evaluate import distinct_items, task_of_split
    from ..experiments.load import load_run
    from ..experiments.printing import print_lengths, print_paths, print_runs

    several, rows = len(options.run_dir) > 1, {}
    for path in options.run_dir:
        directory, config, objects = load_run(path, which=options.checkpoint, vouched=options.trust)
        unseen, split = task_of_split(objects.task, options.split)
        table = _evaluate(options, objects.model, unseen, config.seed)
        rows[path] = table
        if not several:
            print_lengths(table, objects.task, options.sequences, split, distinct_items(unseen, table))
        if not several and not options.failures:
            print_paths({"figure": _save(options, directory, objects.task, table)})
    if several:
        if len({tuple(table) for table in rows.values()}) > 1:
            raise UsageError("the runs' tasks have lengths of their own: give --lengths for all of them")
        print_runs(rows)
    return 0


def _score(options: argparse.Namespace) -> int:
    """``--data``: one labelled set, each of its lines once, by each run."""
    from ..experiments.load import load_reader
    from ..experiments.printing import say
    from ..experiments.score_lines import score_lines, write_wrong
    from ..experiments.shipped import load_shipped

    for path in options.run_dir or [None]:
        if path is None:
            model, loader = load_shipped()
        else:
            _, model, loader = load_reader(path, which=options.checkpoint, vouched=options.trust)
        _search_as_asked(options, model)
        lines, scores = score_lines(model, loader, options.data, decode=options.decode, beam_size=options.beam or 1)
        say(f"{path or 'the reader that ships'}: {len(lines)} lines of {options.data}")
        for name, value in scores.items():
            print(f"  {name.replace('_', ' '):<32} {value:.2%}")
        if options.wrong:
            print(f"  {write_wrong(lines, Path(options.wrong))} read wrongly: {options.wrong}")
    return 0


def _evaluate(options: argparse.Namespace, model: Any, task: Any, seed: int) -> Any:
    from ..training.failures import failures_by_length
    from ..training.lengths import drawable_lengths, evaluate_lengths

    evaluate = failures_by_length if options.failures else evaluate_lengths
    asked: dict[str, Any] = {"resize": not options.slots}
    if options.slots:
        if not hasattr(model, "resize"):
            raise UsageError(f"--slots needs a memory, but {type(model).__name__} has none")
        model.resize(options.slots)
    if options.repeats:
        if "repeats" not in inspect.signature(task.sample).parameters:
            raise UsageError(f"--repeats needs a task that repeats, but {type(task).__name__} does not")
        asked["repeats"] = options.repeats
    _search_as_asked(options, model)
    try:
        wanted = options.lengths or drawable_lengths(task)
        return evaluate(model, task, wanted, sequences=options.sequences, seed=seed, **asked)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _search_as_asked(options: argparse.Namespace, model: Any) -> None:
    """Let a reader or captioner predict as ``--decode`` and ``--beam`` say."""
    kind = type(model).__name__
    if options.decode:
        if not hasattr(model, "check_decode"):
            raise UsageError(f"--decode needs a reader of lines, but {kind} is none")
        try:
            model.check_decode(options.decode)
        except ValueError as error:
            raise UsageError(f"--{error}") from error
        model.decode = options.decode
    if options.beam:
        if not hasattr(model, "beam_size"):
            raise UsageError(f"--beam needs a reader or captioner, but {kind} is neither")
        model.beam_size = options.beam


def _save(options: argparse.Namespace, directory: Any, task: Any, table: Any) -> Path:
    from .. import viz

    suffix = f"-slots{options.slots}" if options.slots else ""
    suffix += f"-repeats{options.repeats}" if options.repeats else ""
    suffix += f"-{'-'.join(options.split.split())}" if options.split else ""
    suffix += f"-{options.decode}" if options.decode else ""
    suffix += f"-beam{options.beam}" if options.beam else ""
    suffix += "-best" if options.checkpoint == "best" else ""
    figure = viz.lengths_figure(table, (task.min_length, task.max_length), task.length_unit)
    return viz.save_figure(figure, directory.figures / f"lengths{suffix}.png")
