"""Interruption and operation span: lists to keep, and after each something to be worked on at once."""

from typing import Literal, Unpack, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_range
from memnets_tasks._pieces import beside, join
from memnets_tasks.algorithmic._layout import random_bits
from memnets_tasks.base import Batch
from memnets_tasks.working_memory.base import DualOptions, DualTask

OPERATIONS = ("not", "reverse", "swap")


class InterruptedTask(DualTask):
    """Lists x to keep, each followed by a list y that is answered at once, changed.

    With markers A to D (control bits 0 to 3): A x1 B y1 C - ... A xn B yn C - D -. After each y the changed y is
    wanted, at D all x.

    Abstract: a subclass says what y is, and how it is changed.
    """

    def _draw_between(self, length: Tensor, there: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The lists that interrupt: items ``(B, K, L, bits)``, and which there are ``(B, K, L)``."""
        return self._draw_lists(length, there, generator)

    def _changed(self, items: Tensor, present: Tensor) -> Tensor:
        """What is wanted of the lists that interrupt: ``(B, K, L, bits)``."""
        raise NotImplementedError

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
        y, y_there = self._draw_between(length, there, generator)
        rounds = [self.marker(self.MARK_KEPT, there), self.shown(x, x_there)]
        rounds += [self.marker(self.MARK_BETWEEN, there), self.shown(y, y_there)]
        rounds += [self.marker(self.MARK_ANSWER, there), self.asked(self._changed(y, y_there), y_there)]
        end = self.marker(self.MARK_END, torch.ones_like(length, dtype=torch.bool))
        return join([beside(rounds), end, beside([self.asked(x, x_there)])])


@final
class Interruption(InterruptedTask):
    """Interruption: each list to keep is followed by another one that is answered at once, changed.

    See :class:`InterruptedTask` for the layout and :class:`WorkingMemoryTask` for the source and the encoding.

    Args:
        operation: How the other list is changed: "not", every bit; "reverse", from its end; "swap", the second half
            before the first (a middle item goes as half of the length is rounded, to even).
        options: Those of :class:`DualTask`: ``bits``, ``min_lists``, ``max_lists``, ``varied``, ``min_length``,
            ``max_length``, ``evaluation_lengths``.

    Raises:
        ValueError: If ``operation`` is unknown, another argument below 1, or a ``max_`` argument below its ``min_``.
    """

    def __init__(self, *, operation: Literal["not", "reverse", "swap"] = "not", **options: Unpack[DualOptions]) -> None:
        if operation not in OPERATIONS:
            raise ValueError(f"operation is {operation!r}; give one of {', '.join(map(repr, OPERATIONS))}")
        self.operation = operation
        super().__init__(**options)

    def _changed(self, items: Tensor, present: Tensor) -> Tensor:
        if self.operation == "not":
            return 1 - items
        size = present.sum(-1, keepdim=True)  # (B, K, 1)
        item = torch.arange(items.shape[2], device=items.device)
        if self.operation == "reverse":
            source = size - 1 - item
        else:
            source = (item + (size / 2).round().long()) % size.clamp_min(1)  # half to even, as NumPy rounds
        return items.gather(2, source.clamp_min(0).unsqueeze(-1).expand_as(items))


@final
class OperationSpan(InterruptedTask):
    """Operation span: each list to keep is followed by one item whose bits are to be rotated.

    See :class:`InterruptedTask` for the layout and :class:`WorkingMemoryTask` for the source and the encoding.

    Args:
        rotation: By how many places the bits are rotated to the left; None for half of them.
        options: Those of :class:`DualTask`: ``bits``, ``min_lists``, ``max_lists``, ``varied``, ``min_length``,
            ``max_length``, ``evaluation_lengths``.

    Raises:
        ValueError: If ``rotation`` is not from 0 to ``bits``, another argument below 1, or a ``max_`` argument below
            its ``min_``.
    """

    def __init__(self, *, rotation: int | None = None, **options: Unpack[DualOptions]) -> None:
        super().__init__(**options)
        self.rotation = self.bits // 2 if rotation is None else rotation
        check_range("rotation", self.rotation, "bits", self.bits, minimum=0)

    def _draw_between(self, length: Tensor, there: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return random_bits((*there.shape, 1, self.bits), generator), there.unsqueeze(-1)

    def _changed(self, items: Tensor, present: Tensor) -> Tensor:
        return items.roll(-self.rotation, dims=-1)
