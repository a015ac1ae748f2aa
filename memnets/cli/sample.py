"""Text written by a trained language model, printed as it is written."""

import argparse
from collections.abc import Iterator

from ..base.errors import UsageError
from ..base.terminal import escaped
from .parser import add_checkpoint, add_trust, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and how it writes."""
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", help="a run of a language model, such as runs/chars-lstm/<id>")
    add("--prompt", default="", help="what the text begins with; by default it begins a file")
    add("--length", type=positive, default=500, help="characters at most (500); fewer where it ends the file")
    add(
        "--temperature",
        type=float,
        default=0.8,
        help="below 1 likelier characters are likelier still, 0: the likeliest",
    )
    add("--seed", type=int, default=0, help="which text (0)")
    add_checkpoint(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets sample``."""
    from ..experiments.load import load_language_model

    _, model = load_language_model(options.run_dir, which=options.checkpoint, vouched=options.trust)
    text = _text(model, options)
    print(options.prompt, end="", flush=True)
    for character in text:  # which are those of the run, whosever it is
        print(escaped(character, keep="\n\t"), end="", flush=True)
    print()
    return 0


def _text(model: object, options: argparse.Namespace) -> Iterator[str]:
    from ..base.seeding import generator
    from ..models import LanguageModel

    assert isinstance(model, LanguageModel)
    if options.seed < 0:
        raise UsageError(f"--seed is {options.seed}, but must be at least 0")
    random = generator(options.seed, "sample", 0)
    try:
        return model.sample(options.prompt, length=options.length, temperature=options.temperature, generator=random)
    except ValueError as error:
        raise UsageError(str(error)) from error
