"""Sequence equality: say whether a second list is the first again."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import expand_counts
from memnets_tasks._pieces import join
from memnets_tasks.algorithmic._layout import bit_text, random_bits, steps
from memnets_tasks.base import Batch
from memnets_tasks.working_memory.base import EVALUATED, WorkingMemoryTask


@final
class SequenceEquality(WorkingMemoryTask):
    """Sequence equality: whether a second list is the first again.

    See :class:`WorkingMemoryTask` for the source and the encoding.

    A sequence of ``length`` L has T = 2 L + 2 steps: a marker (control bit 0), the L items, a marker (control bit 1),
    and a list of L items: the first again, or, in half of the sequences, the first with each bit flipped at random
    (``hard``: with the bits of one item flipped at random). At the last step 1 is wanted where both lists are the same,
    and 0 elsewhere; ``output_size`` is 1. Saying 0 always is right in half of the sequences, or somewhat less, as a
    flip may change nothing.

    Args:
        bits: Bits of an item.
        hard: Whether lists that differ do so in one item alone.
        min_length: Fewest items in training.
        max_length: Most items in training.
        evaluation_lengths: Items at which generalisation is measured.

    Raises:
        ValueError: If an argument is below 1, or ``max_length`` below ``min_length``.
    """

    def __init__(
        self,
        *,
        bits: int = 8,
        hard: bool = False,
        min_length: int = 3,
        max_length: int = 20,
        evaluation_lengths: tuple[int, ...] = EVALUATED,
    ) -> None:
        self.hard = hard
        self._set_sizes(bits, 2, min_length, max_length, evaluation_lengths)
        self.output_size = 1
        self.threshold = 0.01

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of pairs of lists.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Items of a list: one number for all sequences, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        longest, always = int(length.max()), torch.ones(batch_size, dtype=torch.bool, device=device)
        item = steps(longest, device)  # (1, L)
        there = item < length.unsqueeze(1)  # (B, L)
        items, flips = (random_bits((batch_size, longest, self.bits), generator) for _ in range(2))
        changed = torch.rand((batch_size, 2), generator=generator, device=device, dtype=torch.float64)
        flipped = there & (changed[:, :1] < 0.5)  # (B, L)
        if self.hard:
            flipped = flipped & (item == (changed[:, 1] * length).long().unsqueeze(1))
        flips = flips * flipped.unsqueeze(-1)
        equal = (flips.sum((1, 2)) == 0).float()  # (B,)
        again = self.shown((items - flips).abs(), there & (item < length.unsqueeze(1) - 1))
        last = (items - flips).abs().gather(1, (length - 1).view(-1, 1, 1).expand(-1, 1, self.bits))  # (B, 1, bits)
        answer = self.shown(last, always.unsqueeze(1))._replace(
            targets=equal.view(-1, 1, 1), scored=always.unsqueeze(1)
        )
        return join([self.marker(0, always), self.shown(items, there), self.marker(1, always), again, answer])

    def text(self, batch: Batch, index: int) -> str:
        """Both lists, and whether they are the same."""
        length = int(batch.lengths[index]) // 2 - 1
        items = batch.inputs[index, :, self.controls :]
        first, second = items[1 : 1 + length], items[2 + length : 2 + 2 * length]
        answer = "equal" if batch.targets[index][batch.mask[index]].item() else "different"
        return f"given {bit_text(first)} and {bit_text(second)}; wanted {answer}"
