"""What a shell needs to complete commands, options, experiments and paths by TAB, made by shtab."""

import argparse
from typing import Any

from ..experiments.catalogue import experiments

DIRECTORIES = ("run_dir", "runs", "sweep_dir", "figures")
FILES = ("images",)
"""What arguments are called that are paths."""


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion of the whole command line for bash, zsh or tcsh.

    Raises:
        ModuleNotFoundError: shtab is not installed.
    """
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                for argument in command._actions:
                    _complete(argument, shtab.DIRECTORY, shtab.FILE)
    return shtab.complete(parser, shell)


def _complete(argument: argparse.Action, directory: Any, file: Any) -> None:
    if argument.dest in ("experiment", "targets"):
        argument.choices = list(experiments())
    elif argument.dest in DIRECTORIES:
        setattr(argument, "complete", directory)  # noqa: B010 - shtab's own way
    elif argument.dest in FILES:
        setattr(argument, "complete", file)  # noqa: B010
