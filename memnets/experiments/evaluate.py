"""What a run is evaluated on: the data that its task keeps from training, by name."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..base.errors import UsageError, suggest
from ..base.seeding import generator
from ..base.task import FiniteTask, Task
from ..training.lengths import drawable_lengths, evaluate

Scores = dict[str, dict[str, float]]
"""A task's scores, by the name of an evaluation."""


def task_of_split(task: Task, name: str | None) -> tuple[Task, str | None]:
    """The task that ``lengths --split NAME`` asks for, and what to call its data.

    Args:
        task: the run's.
        name: "training", "validation", one of ``task.splits().unseen`` (with spaces or hyphens), or None for the data
            that the run's own table is of.

    Raises:
        UsageError: there is no such split; the message names those there are.
    """
    splits = task.splits()
    if name is None:
        return splits.test, splits.test.split
    known = {"training": task, **splits.unseen}
    if splits.validation is not task:
        known["validation"] = splits.validation
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


def check_evaluations(task: Task) -> None:
    """Raise ValueError where the evaluation at the end of a run could not be done, before the run is started."""
    splits = task.splits()
    drawable_lengths(splits.test)
    random = generator(0, "probe", 1)
    for other in splits.unseen.values():
        other.sample(1, other.sample_lengths(1, random), random)


def evaluate_all(model: Any, task: Task, *, sequences: int, seed: int) -> Scores:
    """The scores of each of ``task.splits().unseen``, over sequences of the training lengths."""
    unseen = task.splits().unseen
    return {name: evaluate(model, other, sequences=sequences, seed=seed) for name, other in unseen.items()}


def distinct_items(task: Task, lengths: Iterable[int]) -> dict[int, int]:
    """How many different examples a table by length is of, where the task has only so many and counts them."""
    if not isinstance(task, FiniteTask):
        return {}
    counts = {length: task.distinct(length) for length in lengths}
    return {length: count for length, count in counts.items() if count is not None}


def validated_on(task: Task) -> str | None:
    """What validation, and so "solved", is of; None where batches are drawn anew each time, and never come twice."""
    validation = task.splits().validation
    if validation is not task:
        return validation.split or "validation"
    return "the training data" if isinstance(task, FiniteTask) else None


def skipped_items(task: Task) -> dict[str, dict[str, int]]:
    """What tasks of files could not use, counted by reason, of each split that has any (``task.skipped``)."""
    validation, test, _ = task.splits()
    found: dict[str, dict[str, int]] = {}
    counted: list[Task] = []
    for name, other in {"training": task, "validation": validation, "test": test}.items():
        if isinstance(other, FiniteTask) and other not in counted and other.skipped:
            found[name] = dict(other.skipped)
        counted.append(other)
    return found


def in_columns(scores: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[list[Any]]]:
    """Head and rows of a table of scores; None where an evaluation lacks a metric that another has."""
    names = list(dict.fromkeys(name for row in scores.values() for name in row))
    return ["evaluation", *names], [[what, *(row.get(name) for name in names)] for what, row in scores.items()]
