"""Curricula: how long the training sequences may be at each step. Kept apart from the tasks."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least
from memnets_tasks.base import Curriculum, Task
from memnets_tasks.seeding import generator


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
        _check_within("start", self.start, task)
        grown = (task.max_length - self.start) * min(step, self.steps) // self.steps
        return self.start + grown


@final
class Fixed(Curriculum):
    """Sequences up to one length, at every step.

    Args:
        length: The cap, in the task's ``length_unit``.

    Raises:
        ValueError: If ``length`` is below 1.
    """

    def __init__(self, *, length: int) -> None:
        check_at_least("length", length, 1)
        self.length = length

    def max_length(self, step: int, task: Task) -> int:
        """``length``. Raises ValueError if ``step`` is negative or the task does not train on such lengths."""
        check_at_least("step", step, 0)
        _check_within("length", self.length, task)
        return self.length


@final
class Mastery(Curriculum):
    """Longer sequences once those of the present cap are mastered.

    Graves et al. 2016 (the DNC) and Zaremba & Sutskever 2014 go on to the next lesson where the errors fall below a
    bound. The cap begins at ``start``; each time that the last ``window`` sequences that were observed have fewer than
    ``bound`` errors in the mean it rises by ``stride``, until it is the task's ``max_length``. It never falls. What is
    observed are the errors of training sequences, drawn up to the cap: see :meth:`observe`.

    Args:
        start: The cap at first, in the task's ``length_unit``.
        bound: Mean errors of a sequence below which the cap rises, in the unit of the task's ``threshold``.
        window: Sequences over which errors are averaged. After a rise they are counted anew.
        stride: By how much the cap rises.

    Raises:
        ValueError: If ``start``, ``window`` or ``stride`` is below 1, or ``bound`` is not above 0.
    """

    def __init__(self, *, start: int, bound: float = 0.1, window: int = 512, stride: int = 1) -> None:
        for name, value in (("start", start), ("window", window), ("stride", stride)):
            check_at_least(name, value, 1)
        if not bound > 0:
            raise ValueError(f"bound is {bound}; give more than 0, such as the task's threshold")
        self.start, self.bound, self.window, self.stride = start, float(bound), window, stride
        self.rises = 0
        """How often the cap has risen."""
        self._recent: list[tuple[float, int]] = []  # errors and sequences of batches, the last ones to fill the window

    def max_length(self, step: int, task: Task) -> int:
        """The present cap, whatever the step. Raises ValueError if ``start`` lies outside the task's lengths."""
        check_at_least("step", step, 0)
        _check_within("start", self.start, task)
        return min(self.start + self.rises * self.stride, task.max_length)

    def observe(self, errors: Tensor) -> None:
        """Take note of the errors ``(B,)`` of a training batch that was drawn up to the cap; it may rise."""
        self._recent.append((float(errors.sum()), len(errors)))
        while sum(count for _, count in self._recent[1:]) >= self.window:
            del self._recent[0]
        total, count = (sum(values) for values in zip(*self._recent))
        if count >= self.window and total / count < self.bound:
            self.rises += 1
            self._recent.clear()

    def state_dict(self) -> dict[str, Any]:
        """How far the curriculum has come, as plain numbers."""
        return {"rises": self.rises, "recent": [list(pair) for pair in self._recent]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.rises = int(state["rises"])
        self._recent = [(float(total), int(count)) for total, count in state["recent"]]


@final
class Mixture(Curriculum):
    """Several curricula, of which each step follows one, drawn by their shares.

    Zaremba & Sutskever 2014 (arXiv:1410.4615), section 4, found that sequences of all lengths must stay in the mix, and
    the DNC paper keeps easier lessons in it: ``Mixture([Mastery(start=3), Uniform()], shares=[4, 1])`` trains on all
    lengths every fifth step or so. Which one a step follows is a function of the step alone.

    Args:
        curricula: What is mixed.
        shares: How often each is followed, beside the others; None for all alike.

    Raises:
        ValueError: If there is no curriculum, or not one share above 0 for each.
    """

    def __init__(self, curricula: Sequence[Curriculum], *, shares: Sequence[float] | None = None) -> None:
        self.curricula = tuple(curricula)
        self.shares = tuple(map(float, shares)) if shares is not None else (1.0,) * len(self.curricula)
        if not self.curricula:
            raise ValueError("curricula is empty; give at least one, such as memnets_tasks.Uniform()")
        if len(self.shares) != len(self.curricula) or not min(self.shares) > 0:
            raise ValueError(f"shares is {shares}; give one above 0 for each of the {len(self.curricula)} curricula")
        self._followed = 0

    def max_length(self, step: int, task: Task) -> int:
        """The cap of the curriculum that the step follows; raises what that raises."""
        check_at_least("step", step, 0)
        random = generator(0, "mixture", step)
        self._followed = int(torch.tensor(self.shares).multinomial(1, generator=random))
        return self.curricula[self._followed].max_length(step, task)

    def observe(self, errors: Tensor) -> None:
        """Hand the errors to the curriculum that was asked last, by whose cap they were drawn."""
        self.curricula[self._followed].observe(errors)

    def state_dict(self) -> dict[str, Any]:
        """The states of the curricula, in their order."""
        return {"curricula": [curriculum.state_dict() for curriculum in self.curricula]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        for curriculum, own in zip(self.curricula, state["curricula"], strict=True):
            curriculum.load_state_dict(own)


def _check_within(name: str, length: int, task: Task) -> None:
    if not task.min_length <= length <= task.max_length:
        raise ValueError(
            f"{name} is {length}, but the task trains on lengths {task.min_length} to "
            f"{task.max_length} {task.length_unit}; give a {name} in that range"
        )
