"""The lengths of a task, set in one place."""

from collections.abc import Iterable

from memnets_tasks._checks import check_evaluation_lengths, check_range
from memnets_tasks.base import Task


def set_lengths(
    task: Task,
    shortest: int,
    longest: int,
    evaluated: Iterable[int],
    *,
    unit: str,
    least: int = 1,
    names: tuple[str, str] = ("min_length", "max_length"),
) -> None:
    """Set the attributes of a task that say its lengths.

    Args:
        task: The task.
        shortest: Its ``min_length``.
        longest: Its ``max_length``.
        evaluated: Its ``evaluation_lengths``.
        unit: Its ``length_unit``.
        least: The smallest length that can be drawn.
        names: What the task calls the arguments that give the first two, for messages.

    Raises:
        ValueError: If a length is below ``least``, ``longest`` is below ``shortest``, or no length is evaluated.
    """
    check_range(names[0], shortest, names[1], longest, minimum=least)
    task.min_length, task.max_length = shortest, longest
    task.evaluation_lengths = check_evaluation_lengths(evaluated, minimum=least)
    task.length_unit = unit
