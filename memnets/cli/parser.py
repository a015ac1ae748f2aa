"""The outer command line: a parser with one subparser a command, without importing torch."""

import argparse
import importlib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from ..base.errors import UsageError, suggest

COMMANDS = {
    "list": "experiments, one line each",
    "tasks": "tasks, one line each; examples of one",
    "fit": "train one; --help after its name shows every key",
    "resume": "go on with a run that was stopped",
    "lengths": "length generalisation: table and plot",
    "show": "figures of what the memory did",
    "read": "the text of images of lines, by a trained reader",
    "describe": "captions of images, by a trained captioner",
    "cells": "units of a language model that mean something",
    "gradients": "how far back gradients reach, before and after training",
    "save": "a run's model as a folder for from_pretrained",
    "export": "a reader as graphs for other runtimes (torch.export, ONNX)",
    "sample": "text written by a trained language model",
    "sweep": "a grid of experiments, settings and seeds",
    "report": "tables and curves of a sweep",
    "compare": "memories against tasks under one protocol",
    "atlas": "tables, figures and words of such a comparison",
    "trial": "run, or go on with, one trial of a sweep",
    "doctor": "devices, backends, compiler, versions, W&B mode",
}
"""Each is a module of its name here, with ``add_arguments(parser)`` and ``run(options)``, and what it does."""


class OneLineParser(argparse.ArgumentParser):
    """Raises what is wrong as :class:`UsageError`, with the options nearest to what was written."""

    def error(self, message: str) -> NoReturn:
        """One line instead of the usage."""
        if unknown := re.match(r"unrecognized arguments: (--[\w.-]+)", message):
            message += suggest(unknown[1].split("=")[0], self._option_string_actions)
        command = self.prog.removeprefix("memnets").strip()
        raise UsageError(f"{command}: {message}" if command else message)


def make_parser() -> OneLineParser:
    """The whole command line."""
    parser = OneLineParser(prog="memnets", description="differentiable memory-augmented networks", allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument(
        "--print-completion", choices=("bash", "zsh", "tcsh"), help="print what lets a shell complete commands by TAB"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, text in COMMANDS.items():
        module: Any = importlib.import_module(f".{name}", __package__)
        own = commands.add_parser(
            name,
            help=text,
            description=module.__doc__,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(own)
        own.set_defaults(run=module.run, parser=own, takes_settings=getattr(module, "TAKES_SETTINGS", False))
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command and its options; settings of an experiment, ``--key value``, are left in ``settings``.

    Raises:
        UsageError: an unknown command or option, or a value of the wrong type.
        SystemExit: help or the version was asked for and printed.
    """
    parser = make_parser()
    first = next(iter(arguments), "--help")
    if first == "help" or not arguments:
        arguments = ["--help"]
    elif not first.startswith("-") and first not in COMMANDS:
        raise UsageError(f"unknown command {first!r}{suggest(first, COMMANDS)} (one of {', '.join(COMMANDS)})")
    options, others = parser.parse_known_args(arguments)
    if options.command is None:
        if options.print_completion:
            from .completion import completion

            print(completion(parser, options.print_completion))
            raise SystemExit(0)
        if options.version:
            from .. import __version__

            print(f"memnets {__version__}")
            raise SystemExit(0)
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    if others and not options.takes_settings:
        options.parser.error(f"unrecognized arguments: {' '.join(others)}")
    options.settings = others
    return options


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return number


def numbers(text: str) -> list[int]:
    """Whole numbers of at least 1, with commas between."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 20,40,80") from None
    return [positive(str(number)) for number in found]


def add_trust(parser: argparse.ArgumentParser) -> None:
    """``--trust``, of commands that use directories that may be from elsewhere."""
    parser.add_argument(
        "--trust", action="store_true", help="import the classes of its own that the directory names; asked for once"
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """``--format``, of commands that draw."""
    parser.add_argument(
        "--format", choices=("png", "pdf", "svg"), default="png", help="of figures that do not move (png)"
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """``--checkpoint``, of commands that use a trained model."""
    parser.add_argument(
        "--checkpoint", choices=("last", "best"), default="last", help="that of the fewest validation errors, or last"
    )
