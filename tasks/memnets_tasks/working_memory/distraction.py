"""Distraction: lists to keep, and after each another list that is carried, answered and forgotten, or ignored."""

from typing import Literal, Unpack, final

import torch
from torch import Tensor

from memnets_tasks._pieces import beside, join
from memnets_tasks.base import Batch
from memnets_tasks.working_memory.base import DualOptions, DualTask

MODES = ("carry", "forget", "ignore")


@final
class Distraction(DualTask):
    """Distraction: lists x to keep, each followed by a list y. See :class:`WorkingMemoryTask` for the source.

    With n lists of each kind, markers A to D (control bits 0 to 3), and steps of zeros where a list is asked for:

    | mode   | inputs                                   | wanted                                         |
    |--------|------------------------------------------|------------------------------------------------|
    | carry  | A x1 B y1 ... A xn B yn C - D -          | at C the last y, at D all x                    |
    | forget | A x1 B y1 C - ... A xn B yn C - D -      | after each y that y again, at D all x          |
    | ignore | A x1 B y1 ... A xn B yn D -              | at D all x                                     |

    (The code's comment on "ignore" names marker C; the code gives D.) The lists of both kinds are as many. In training
    each list has ``min_length`` to ``length`` items; in tests, ``length``.

    Args:
        mode: What becomes of the lists y: "carry", "forget" or "ignore".
        options: Those of :class:`DualTask`: ``bits``, ``min_lists``, ``max_lists``, ``varied``, ``min_length``,
            ``max_length``, ``evaluation_lengths``.

    Raises:
        ValueError: If ``mode`` is unknown, another argument below 1, or a ``max_`` argument below its ``min_``.
    """

    def __init__(self, *, mode: Literal["carry", "forget", "ignore"] = "carry", **options: Unpack[DualOptions]) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; give one of {', '.join(map(repr, MODES))}")
        self.mode = mode
        super().__init__(**options)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of lists.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Items of a list, at most or exactly: one number for all sequences, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        length, there = self._draw_counts(batch_size, length, generator)
        x, x_there = self._draw_lists(length, there, generator)
        y, y_there = self._draw_lists(length, there, generator)
        rounds = [self.marker(self.MARK_KEPT, there), self.shown(x, x_there)]
        rounds += [self.marker(self.MARK_BETWEEN, there), self.shown(y, y_there)]
        if self.mode == "forget":
            rounds += [self.marker(self.MARK_ANSWER, there), self.asked(y, y_there)]
        always = torch.ones_like(length, dtype=torch.bool)
        pieces = [beside(rounds)]
        if self.mode == "carry":
            sequence, last = torch.arange(batch_size, device=length.device), there.sum(1) - 1
            pieces += [self.marker(self.MARK_ANSWER, always), self.asked(y[sequence, last], y_there[sequence, last])]
        return join([*pieces, self.marker(self.MARK_END, always), beside([self.asked(x, x_there)])])
