"""What a run is evaluated on: the data that its task keeps from training, by name."""

from collections.abc import Mapping
from typing import Any

from ..base.errors import UsageError, suggest
from ..base.seeding import generator
from ..training.lengths import drawable_lengths, evaluate, evaluations, held_out, validated_on

Scores = dict[str, dict[str, float]]
"""A task's metrics, by the name of an evaluation."""


def task_of_split(task: Any, name: str | None) -> tuple[Any, str | None]:
    """The task that ``lengths --split NAME`` asks for, and what to call its data.

    Args:
        task: the run's.
        name: "training", "validation", one of ``task.evaluations()`` (with spaces or hyphens), or None for the data
            that the run's own table is of.

    Raises:
        UsageError: there is no such split; the message names those there are.
    """
    if name is None:
        unseen = held_out(task)
        return unseen, getattr(unseen, "split", None)
    known = {"training": task, **evaluations(task)}
    validation = validated_on(task)
    if validation is not task:
        known["validation"] = validation
    for own, other in known.items():
        if _plain(own) == _plain(name):
            return other, own
    choices = [_plain(own) for own in known]
    raise UsageError(
        f"lengths: --split is {name!r}, but {type(task).__name__} has {', '.join(choices)}"
        f"{suggest(_plain(name), choices)}"
    )


def _plain(name: str) -> str:
    """A name as it is written on the command line."""
    return name.replace(" ", "-").lower()


def check_evaluations(task: Any) -> None:
    """Raise ValueError where the evaluation at the end of a run could not be done, before the run is started."""
    if not hasattr(task, "held_out"):
        return
    drawable_lengths(held_out(task))
    random = generator(0, "probe", 1)
    for other in evaluations(task).values():
        other.sample(1, other.sample_lengths(1, random), random)


def evaluate_all(model: Any, task: Any, *, sequences: int, seed: int) -> Scores:
    """The metrics of each of ``task.evaluations()``, over sequences of the training lengths."""
    return {name: evaluate(model, other, sequences=sequences, seed=seed) for name, other in evaluations(task).items()}


def left_out(task: Any) -> dict[str, dict[str, int]]:
    """What tasks of files could not use, counted by reason, of each split that has any (``task.skipped``)."""
    splits = {"training": task, "validation": validated_on(task), "test": held_out(task)}
    first = {id(other): name for name, other in reversed(splits.items())}
    counts = {name: dict(getattr(other, "skipped", {})) for name, other in splits.items() if first[id(other)] == name}
    return {name: reasons for name, reasons in counts.items() if reasons}


def in_columns(scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[list[Any]]]:
    """Head and rows of a table of scores; None where an evaluation lacks a metric that another has."""
    names = list(dict.fromkeys(name for row in scores.values() for name in row))
    return ["evaluation", *names], [[what, *(row.get(name) for name in names)] for what, row in scores.items()]
