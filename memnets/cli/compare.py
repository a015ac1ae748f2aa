"""Memories against tasks, all of one size of state, under one budget of steps and processor time.

What is done is not done again: the same command goes on where it stopped, and several may share the work.

  memnets compare                                   # the Memory Atlas: every memory on every task, for hours
  memnets compare --memories NTM,LSTM --tasks Copy,ParityCheck --seconds 5 --into atlas/small
  memnets compare chomsky                           # the networks and tasks of Deletang et al. 2022
  memnets compare my-atlas.yaml --minutes 10        # a list of your own, or of your own memories
"""

import argparse

from .parser import add_trust, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which memories and tasks, and with which budget."""
    parser.usage = "memnets compare [FILE.yaml] [options]"
    add = parser.add_argument
    add(
        "file",
        metavar="FILE",
        nargs="?",
        help="memories, tasks and protocol, or the name of a list that ships: atlas, chomsky",
    )
    add("--memories", type=_names, metavar="A,B", help="these of its memories alone")
    add("--tasks", type=_names, metavar="X,Y", help="these of its tasks alone")
    add("--into", metavar="DIR", help="where cells are kept (atlas/<name of the file>)")
    add("--minutes", type=_number, help="begin no training after so many; all that is done is kept")
    add("--steps", type=positive, help="of a training, at most, in place of the file's")
    add("--seconds", type=_number, help="of the processor a training, at most, in place of the file's")
    add("--state", type=positive, help="numbers of state, in place of the file's")
    add("--sequences", type=positive, help="tested at each length, in place of the file's")
    add("--seeds", help="that are reported, such as 1..5, in place of the file's")
    add(
        "--rates",
        type=_rates,
        metavar="A,B",
        help="of learning, to choose from, in place of the file's; of one, no choice",
    )
    add("--retry-failed", action="store_true", help="run cells again that failed")
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets compare``."""
    from ..experiments.atlas.commands import compare

    changes = {name: getattr(options, name) for name in ("steps", "seconds", "state", "sequences", "rates")}
    return compare(
        options.file,
        memories=options.memories,
        tasks=options.tasks,
        changes=changes,
        seeds=options.seeds,
        into=options.into,
        minutes=options.minutes,
        retry=options.retry_failed,
        vouched=options.trust,
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"{text!r} names none: give names such as NTM,LSTM, or leave it out for all")
    return names


def _rates(text: str) -> list[float]:
    return [_number(rate) for rate in text.split(",")]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
