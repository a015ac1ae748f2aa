"""Curricula: how long the training sequences may be at each step. Kept apart from the tasks."""

from typing import final

from memnets_tasks._checks import check_at_least
from memnets_tasks.base import Curriculum, Task


@final
class Uniform(Curriculum):
    """The task's own length distribution from the first step on, as in Graves et al. 2014."""

    def max_length(self, step: int, task: Task) -> int:
        """The task's ``max_length``, at every step. Raises ValueError if ``step`` is negative."""
        check_at_least("step", step, 0)
        return task.max_length


@final
class Growing(Curriculum):
    """Short sequences first: the cap grows linearly to the task's ``max_length``, then stays there.

    Zaremba & Sutskever 2014, "Learning to Execute" (arXiv:1410.4615), section 4, study such schedules; their
    finding that easy cases must stay in the mix holds here, as lengths are drawn uniformly up to the cap.

    Args:
        start: The cap at step 0, in the task's ``length_unit``.
        steps: Training steps until the cap is the task's ``max_length``.

    Raises:
        ValueError: If ``start`` or ``steps`` is below 1.
    """

    def __init__(self, *, start: int, steps: int) -> None:
        check_at_least("start", start, 1)
        check_at_least("steps", steps, 1)
        self.start = start
        self.steps = steps

    def max_length(self, step: int, task: Task) -> int:
        """The cap at a step: ``start`` at 0, the task's ``max_length`` from ``steps`` on, linear between.

        Args:
            step: Training steps already taken, from 0.
            task: The task that is trained.

        Returns:
            The cap, rounded down to whole units of length.

        Raises:
            ValueError: If ``step`` is negative, or ``start`` lies outside the task's training lengths.
        """
        check_at_least("step", step, 0)
        if not task.min_length <= self.start <= task.max_length:
            raise ValueError(
                f"start is {self.start}, but the task trains on lengths {task.min_length} to "
                f"{task.max_length} {task.length_unit}; give a start in that range"
            )
        grown = (task.max_length - self.start) * min(step, self.steps) // self.steps
        return self.start + grown
