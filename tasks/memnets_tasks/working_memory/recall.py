"""Serial, reverse and skip recall: give a list back in order, from its end, or every other item of it."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._pieces import join
from memnets_tasks.algorithmic._layout import random_bits, steps
from memnets_tasks.base import Batch
from memnets_tasks.working_memory.base import EVALUATED, WorkingMemoryTask


class ListRecall(WorkingMemoryTask):
    """Give back some items of a list in some order.

    A sequence of ``length`` L is a marker (control bit 0), the L items, a marker (control bit 1), and a step of zeros
    for each item that is wanted.

    Abstract: a subclass says which items are wanted.

    Args:
        bits: Bits of an item.
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
        min_length: int = 3,
        max_length: int = 20,
        evaluation_lengths: tuple[int, ...] = EVALUATED,
    ) -> None:
        self._set_sizes(bits, 2, min_length, max_length, evaluation_lengths)

    def _wanted(self, length: Tensor) -> tuple[Tensor, Tensor]:
        """For lists of ``length (B, 1)`` items, the numbers of those wanted ``(B, A)``, and which of them there are."""
        raise NotImplementedError

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of lists.

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
        items = random_bits((batch_size, longest, self.bits), generator)
        there = steps(longest, device) < length.unsqueeze(1)  # (B, L)
        source, wanted = self._wanted(length.unsqueeze(1))
        answers = items.gather(1, source.clamp(0, longest - 1).unsqueeze(-1).expand(-1, -1, self.bits))
        return join(
            [self.marker(0, always), self.shown(items, there), self.marker(1, always), self.asked(answers, wanted)]
        )


@final
class SerialRecall(ListRecall):
    """Serial recall: the list in order. See :class:`WorkingMemoryTask` for the source and the encoding.

    T is 2 L + 2 steps: two markers, the list, and the list again.

    Args:
        bits: Bits of an item.
        min_length: Fewest items in training.
        max_length: Most items in training.
        evaluation_lengths: Items at which generalisation is measured.

    Raises:
        ValueError: If an argument is below 1, or ``max_length`` below ``min_length``.
    """

    def _wanted(self, length: Tensor) -> tuple[Tensor, Tensor]:
        item = steps(length.max(), length.device).expand(len(length), -1)
        return item, item < length


@final
class ReverseRecall(ListRecall):
    """Reverse recall: the list from its last item to its first. Arguments and layout are those of SerialRecall."""

    def _wanted(self, length: Tensor) -> tuple[Tensor, Tensor]:
        item = length - 1 - steps(length.max(), length.device)
        return item, item >= 0


@final
class SkipRecall(ListRecall):
    """Skip recall: every ``stride``-th item of the list, from the first on.

    T is L + 2 steps and one for each of the ceil(L / stride) items. See :class:`WorkingMemoryTask` for the source.

    Args:
        bits: Bits of an item.
        stride: How far apart the wanted items are.
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
        stride: int = 2,
        min_length: int = 3,
        max_length: int = 20,
        evaluation_lengths: tuple[int, ...] = EVALUATED,
    ) -> None:
        check_at_least("stride", stride, 1)
        self.stride = stride
        super().__init__(bits=bits, min_length=min_length, max_length=max_length, evaluation_lengths=evaluation_lengths)

    def _wanted(self, length: Tensor) -> tuple[Tensor, Tensor]:
        item = steps(length.max(), length.device)[:, :: self.stride].expand(len(length), -1)
        return item, item < length
