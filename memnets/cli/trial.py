"""Run one trial of a sweep: from the start, from where it stopped, or not at all if it is done."""

import argparse

from .parser import add_trust


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which sweep, and which trial."""
    parser.add_argument("sweep_dir", metavar="SWEEP_DIR", help="a sweep's directory, such as sweeps/copy-ntm")
    parser.add_argument("trial", metavar="NAME", help="a trial's directory in it, such as copy-ntm/seed0")
    for name, meaning in (("mode", "online, offline or disabled"), ("entity", "the team that W&B sends to")):
        parser.add_argument(f"--wandb.{name}", help=f"{meaning}; of another's sweep, which does not say it itself")
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets trial``."""
    from ..experiments.trial import run_trial

    given = {f"--wandb.{name}": getattr(options, f"wandb.{name}") for name in ("mode", "entity")}
    said = [word for name, value in given.items() if value is not None for word in (name, value)]
    return run_trial(options.sweep_dir, options.trial, said, vouched=options.trust)
