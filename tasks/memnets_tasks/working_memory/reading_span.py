"""Reading span and operation span: keep items while reading on, or while working on something else."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._pieces import beside, join
from memnets_tasks.base import Batch
from memnets_tasks.working_memory.base import DualTask


@final
class ReadingSpan(DualTask):
    """Reading span: several lists, of which the last item of each is to be kept.

    See :class:`WorkingMemoryTask` for the source and the encoding. A sequence is n times a marker (control bit 0) and a
    list, then a marker (control bit 1) and n steps of zeros, at which the last items of the lists are wanted, in order.

    Args:
        options: Those of :class:`DualTask`: ``bits``, ``min_lists``, ``max_lists``, ``varied``, ``min_length``,
            ``max_length``, ``evaluation_lengths``.

    Raises:
        ValueError: If an argument is below 1, or a ``max_`` argument below its ``min_``.
    """

    MARK_KEPT, MARK_END = range(2)  # type: ignore[assignment]
    controls = 2

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
        items, items_there = self._draw_lists(length, there, generator)
        last = (items_there.sum(2) - 1).clamp_min(0)[..., None, None].expand(-1, -1, 1, self.bits)
        rounds = [self.marker(self.MARK_KEPT, there), self.shown(items, items_there)]
        end = self.marker(self.MARK_END, torch.ones_like(length, dtype=torch.bool))
        return join([beside(rounds), end, self.asked(items.gather(2, last).squeeze(2), there)])

    def scores(self, predictions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Those of every task of bits; there is one kind of lists alone."""
        return super(DualTask, self).scores(predictions, batch)
