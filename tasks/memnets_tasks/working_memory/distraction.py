"""Distraction: lists to keep, and after each another list that is carried, answered and forgotten, or ignored."""

from typing import Literal, final

import torch
from torch import Tensor

from memnets_tasks._pieces import beside, join
from memnets_tasks.base import Batch
from memnets_tasks.working_memory.base import EVALUATED, DualTask

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
        bits: Bits of an item.
        min_lists: Fewest lists of each kind.
        max_lists: Most lists of each kind.
        varied: Whether lists have up to ``length`` items, and not just as many.
        min_length: Fewest items of a list in training.
        max_length: Most items of a list in training.
        evaluation_lengths: Items at which generalisation is measured.

    Raises:
        ValueError: If ``mode`` is unknown, another argument below 1, or a ``max_`` argument below its ``min_``.
    """

    def __init__(
        self,
        *,
        mode: Literal["carry", "forget", "ignore"] = "carry",
        bits: int = 8,
        min_lists: int = 1,
        max_lists: int = 4,
        varied: bool = True,
        min_length: int = 1,
        max_length: int = 10,
        evaluation_lengths: tuple[int, ...] = EVALUATED[:2],
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; give one of {', '.join(map(repr, MODES))}")
        self.mode = mode
        self._set_sizes(bits, 4, min_length, max_length, evaluation_lengths)
        self._set_dual(min_lists, max_lists, varied)

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
