"""Units of a trained language model that mean something, such as being inside quotes."""

import argparse

from .parser import add_checkpoint, add_trust, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and which text."""
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", help="a run of a language model, such as runs/chars-lstm/<id>")
    add("file", metavar="FILE", nargs="?", help="a text to read; by default what the run keeps for its test")
    add("--characters", type=positive, default=20_000, help="characters that are read at most (20000)")
    add_checkpoint(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets cells``."""
    from ..experiments.cells import show_cells

    return show_cells(options)
