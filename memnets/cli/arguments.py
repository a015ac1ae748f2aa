"""The outer command line, without importing torch."""

import argparse
from typing import NoReturn

from ..base.errors import UsageError, suggest

USAGE = """\
memnets: differentiable memory-augmented networks

  memnets list                                    experiments, one line each
  memnets fit EXPERIMENT|FILE.yaml [--key value]  train one; --help after its name shows every key
  memnets resume RUN_DIR                          go on with a run that was stopped
  memnets lengths RUN_DIR... [--lengths 20,40] [--slots N] [--sequences N] [--repeats N] [--split NAME]
                  [--decode attention|ctc|joint] [--beam N]
                                                  length generalisation: table and plot
  memnets show RUN_DIR [--length N]               figures of what the memory did
  memnets read IMAGE... --run RUN_DIR [--decode attention|ctc|joint] [--beam N] [--json]
                                                  the text of images of lines, by a trained reader
  memnets describe IMAGE... --run RUN_DIR [--beam N] [--json]
                                                  captions of images, by a trained captioner
  memnets sweep EXPERIMENT...|FILE.yaml|SWEEP_DIR [--seeds 0..9] [--grid KEY=V1,V2] [--key value]
                                                  a grid of experiments, settings and seeds
  memnets report SWEEP_DIR                        tables and curves of a sweep
  memnets trial SWEEP_DIR NAME                    run, or go on with, one trial of a sweep
  memnets doctor                                  devices, backends, compiler, versions, W&B mode
"""
COMMANDS = ("list", "fit", "resume", "lengths", "show", "read", "describe", "sweep", "trial", "report", "doctor")
WAYS = ("attention", "ctc", "joint")
"""Who can read a line; :data:`memnets.decoding.joint.DECODES`, without importing torch."""


class OneLineParser(argparse.ArgumentParser):
    """Raises what is wrong as :class:`UsageError`."""

    def error(self, message: str) -> NoReturn:
        """One line instead of the usage."""
        raise UsageError(f"{self.prog.split()[-1]}: {message}")


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 20,40,80") from None
    return [positive(str(number)) for number in numbers]


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return number


def parse(arguments: list[str]) -> tuple[str, argparse.Namespace]:
    """The command and its options; what belongs to an experiment's own keys is left in ``options.overrides``.

    Raises:
        UsageError: an unknown command or option, or a value of the wrong type.
        SystemExit: help or the version was asked for and printed.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        raise SystemExit(0)
    if arguments[0] == "--version":
        from .. import __version__

        print(f"memnets {__version__}")
        raise SystemExit(0)
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        raise UsageError(f"unknown command {command!r}{suggest(command, COMMANDS)} (one of {', '.join(COMMANDS)})")
    parser = OneLineParser(prog=f"memnets {command}", allow_abbrev=False)
    if command == "fit":
        return command, _parse_fit(rest)
    if command == "sweep":
        from .sweep_arguments import parse_sweep

        return command, parse_sweep(rest)
    if command == "lengths":
        parser.add_argument("run_dir", metavar="RUN_DIR", nargs="+", help="run directories, such as runs/copy-ntm/<id>")
    if command in ("read", "describe"):
        _add_images(parser, command)
    if command in ("resume", "show"):
        parser.add_argument("run_dir", metavar="RUN_DIR", help="a run directory, such as runs/copy-ntm/<id>")
    if command in ("trial", "report"):
        parser.add_argument("sweep_dir", metavar="SWEEP_DIR", help="a sweep's directory, such as sweeps/copy-ntm")
    if command == "trial":
        parser.add_argument("trial", metavar="NAME", help="a trial's directory in it, such as copy-ntm/seed0")
    if command == "report":
        parser.add_argument("--markdown", help="where the tables go; SWEEP_DIR/report.md")
        parser.add_argument("--csv", help="where the row of each trial goes; SWEEP_DIR/report.csv")
    if command == "lengths":
        parser.add_argument("--lengths", type=_numbers, help="such as 20,40,80,120; the task's own by default")
        parser.add_argument("--slots", type=positive, help="slots of memory to test with; as trained by default")
        parser.add_argument("--sequences", type=positive, default=100, help="sequences of each length (100)")
        parser.add_argument("--repeats", type=positive, help="how often each is asked for, in tasks that repeat")
        parser.add_argument("--split", help="other data of the task, such as unseen-font; what it keeps for the end")
        parser.add_argument("--decode", choices=WAYS, help="who reads, of a reader; its own way by default")
        parser.add_argument("--beam", metavar="N", type=positive, help="texts kept while searching (1: greedy)")
    if command == "show":
        parser.add_argument("--length", type=positive, help="length of the sequence shown; the longest trained on")
        parser.add_argument("--seed", type=int, default=0, help="which sequence (0)")
    return command, parser.parse_args(rest)


def _add_images(parser: argparse.ArgumentParser, command: str) -> None:
    """The options of read and describe."""
    kind = "ocr-digits" if command == "read" else "caption-scenes"
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image files, in any format that Pillow reads")
    parser.add_argument("--run", metavar="RUN_DIR", required=True, help=f"a run directory, such as runs/{kind}/<id>")
    if command == "read":
        parser.add_argument("--decode", choices=WAYS, help="who reads; the reader's own way by default")
    parser.add_argument("--beam", metavar="N", type=positive, default=1, help="texts kept while searching (1: greedy)")
    parser.add_argument("--json", action="store_true", help="print a JSON list in place of lines")
    parser.add_argument("--figures", metavar="DIR", help=f"where figures go (RUN_DIR/figures/{command})")
    parser.add_argument("--no-figures", action="store_true", help="draw none")


def _parse_fit(rest: list[str]) -> argparse.Namespace:
    if not rest or rest[0] in ("-h", "--help"):
        print("usage: memnets fit EXPERIMENT|FILE.yaml [--key value ...]\n")
        print("`memnets list` shows the experiments; `memnets fit EXPERIMENT --help` every key.")
        if not rest:
            raise UsageError("fit: name an experiment (see `memnets list`) or a YAML file")
        raise SystemExit(0)
    if rest[0].startswith("-"):
        raise UsageError(f"fit: the experiment comes first, got {rest[0]!r}: memnets fit EXPERIMENT [--key value ...]")
    return argparse.Namespace(experiment=rest[0], overrides=rest[1:])
