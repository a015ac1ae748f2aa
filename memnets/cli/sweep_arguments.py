"""The command line of ``memnets sweep``, without importing torch."""

import argparse

from ..base.errors import UsageError
from .arguments import OneLineParser, positive

ENGINES = ("local", "ray", "commands")
EPILOG = """\
Any further --key value is set for every trial. What is done is not done again, so the same command, or
`memnets sweep SWEEP_DIR`, goes on with a sweep that was stopped.

  memnets sweep copy-ntm copy-lstm --seeds 0..9
  memnets sweep copy-ntm --seeds 0,3,5..7 --grid model.hidden_size=64,100 --trainer.max_steps 2000
  memnets sweep my-sweep.yaml --engine commands > commands.txt
"""


def parse_sweep(rest: list[str]) -> argparse.Namespace:
    """What is swept comes first: ``targets``; then the options; what is left are ``settings``, by key.

    Raises:
        UsageError: an option has a value of the wrong type, or something belongs to no option.
    """
    parser = OneLineParser(
        prog="memnets sweep",
        usage="memnets sweep EXPERIMENT...|FILE.yaml|SWEEP_DIR [options] [--key value ...]",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--seeds", help="such as 0..9 or 0,3,5..7; 0 by default")
    add("--grid", action="append", default=[], metavar="KEY=V1,V2", help="values of a setting to combine; repeatable")
    add("--name", help="of the sweep; by default that of the file or of the experiments")
    add("--sweeps", help="folder of sweeps (sweeps)")
    add("--engine", choices=ENGINES, default="local", help="local processes; Ray Tune; or print one command a trial")
    add("--processes", type=positive, help="trials at a time; by default one a core")
    add("--threads", type=positive, help="of each process; by default its share of the cores")
    add("--gpus", type=_share, default=0.0, help="GPUs that Ray sets aside for each trial, such as 0.5 (0)")
    add("--retry-failed", action="store_true", help="run the trials that failed again")
    targets = []
    while rest and not rest[0].startswith("-"):
        targets.append(rest[0])
        rest = rest[1:]
    options, others = parser.parse_known_args(rest)
    if not targets:
        raise UsageError(
            "sweep: name experiments, a sweep's YAML file, or the directory of a sweep, before the options"
        )
    options.targets = targets
    options.settings = _settings(others)
    return options


def _settings(words: list[str]) -> dict[str, str]:
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
