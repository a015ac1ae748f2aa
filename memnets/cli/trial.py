"""Run one trial of a sweep: from the start, from where it stopped, or not at all if it is done."""

import argparse

from .parser import add_trust


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sweep, and which trial."""
    parser.add_argument("sweep_dir", metavar="SWEEP_DIR", help="a sweep's directory, such as sweeps/copy-ntm")
    parser.add_argument("trial", metavar="NAME", help="a trial's directory in it, such as copy-ntm/seed0")
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets trial``."""
    from ..experiments.trial import run_trial

    return run_trial(options.sweep_dir, options.trial, vouched=options.trust)
