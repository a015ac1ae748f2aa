"""Train an experiment, evaluate it and draw it.

`memnets list` shows the experiments; `memnets fit EXPERIMENT --help` every key.
"""

import argparse

from ..base.errors import UsageError
from .parser import add_trust


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The experiment, and its settings as they come."""
    parser.usage = "memnets fit EXPERIMENT|FILE.yaml [--key value ...]"
    add_trust(parser)
    parser.add_argument("experiment", metavar="EXPERIMENT", nargs="?", help="a name of `memnets list`, or a YAML file")
    parser.add_argument("overrides", metavar="--key value", nargs=argparse.REMAINDER, help="settings on top of it")


TAKES_SETTINGS = True


def run(options: argparse.Namespace) -> int:
    """``memnets fit``."""
    if options.experiment is None or options.settings:
        got = f", got {options.settings[0]!r}" if options.settings else " (see `memnets list`), or a YAML file"
        where = "the experiment comes first" if options.settings else "name an experiment"
        raise UsageError(f"fit: {where}{got}: memnets fit EXPERIMENT [--key value ...]")
    from ..experiments.start import fit_experiment, print_keys

    overrides = [word for word in options.overrides if word != "--trust"]
    if "-h" in overrides or "--help" in overrides:
        print_keys(options.experiment, [word for word in overrides if word not in ("-h", "--help")])
        return 0
    return fit_experiment(options.experiment, overrides, vouched=options.trust or "--trust" in options.overrides)
