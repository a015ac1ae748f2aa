"""Run a grid of experiments, settings and seeds.

Any further --key value is set for every trial. What is done is not done again, so the same command, or
`memnets sweep SWEEP_DIR`, goes on with a sweep that was stopped.

  memnets sweep copy-ntm copy-lstm --seeds 0..9
  memnets sweep copy-ntm --seeds 0,3,5..7 --grid model.hidden_size=64,100 --trainer.max_steps 2000
  memnets sweep my-sweep.yaml --engine commands > commands.txt
"""

import argparse

from ..base.errors import UsageError
from ..experiments.engines.base import ENGINES
from .parser import add_trust, positive

TAKES_SETTINGS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is swept, by what, and how many at a time."""
    parser.usage = "memnets sweep EXPERIMENT...|FILE.yaml|SWEEP_DIR [options] [--key value ...]"
    add = parser.add_argument
    add("targets", metavar="EXPERIMENT", nargs="*", help="experiments, a sweep's YAML file, or a sweep's directory")
    add("--seeds", help="such as 0..9 or 0,3,5..7; 0 by default")
    add("--grid", action="append", default=[], metavar="KEY=V1,V2", help="values of a setting to combine; repeatable")
    add("--name", help="of the sweep; by default that of the file or of the experiments")
    add("--sweeps", help="folder of sweeps (sweeps)")
    add("--engine", choices=ENGINES, default="local", help="local processes; Ray Tune; or print one command a trial")
    add("--processes", type=positive, help="trials at a time; by default one a core")
    add("--threads", type=positive, help="of each process; by default its share of the cores")
    add("--gpus", type=_share, default=0.0, help="GPUs that Ray sets aside for each trial, such as 0.5 (0)")
    add("--retry-failed", action="store_true", help="run the trials that failed again")
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets sweep``."""
    if not options.targets:
        raise UsageError(
            "sweep: name experiments, a sweep's YAML file, or the directory of a sweep, before the options"
        )
    options.settings = settings_of(options.settings)
    from ..experiments.sweep import run_sweep

    return run_sweep(options)


def settings_of(words: list[str]) -> dict[str, str]:
    """``--key value`` and ``--key=value`` as a mapping."""
    settings: dict[str, str] = {}
    while words:
        key, equals, value = words[0].partition("=")
        if not key.startswith("--"):
            raise UsageError(
                f"sweep: {words[0]!r} belongs to no key: what is swept comes first, settings are --key value"
            )
        if not equals and (len(words) == 1 or words[1].startswith("--")):
            raise UsageError(f"sweep: {key} has no value: settings are written --key value")
        if key[2:] in settings:
            raise UsageError(f"sweep: {key} is set twice; for several values use --grid {key[2:]}=V1,V2")
        settings[key[2:]] = value if equals else words[1]
        words = words[1:] if equals else words[2:]
    return settings


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of GPUs, such as 1 or 0.5")
    return number
