"""How far back gradients reach, by distance in time, before and after training; of several runs side by side."""

import argparse

from .parser import add_checkpoint, add_trust, numbers, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, and over what sequences."""
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", nargs="+", help="run directories, such as runs/chars-lstm/<id>")
    add("--length", type=positive, help="length of the sequences, in the task's unit; the longest trained on")
    add("--sequences", type=positive, default=16, help="sequences that norms are averaged over (16)")
    add("--distances", type=numbers, default=[10, 50, 100], help="steps back that the table has (10,50,100)")
    add_checkpoint(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets gradients``."""
    from ..experiments.gradients import show_gradients

    return show_gradients(options)
