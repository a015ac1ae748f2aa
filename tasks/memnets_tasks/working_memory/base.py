"""What the tests of working memory share: markers, items that are shown, and items that are asked for."""

import copy
from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_range, expand_counts
from memnets_tasks._draw import between, whole
from memnets_tasks._lengths import set_lengths
from memnets_tasks._pieces import Piece
from memnets_tasks.algorithmic._layout import bit_text, random_bits, steps
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.base import Batch, Splits

EVALUATED = (21, 100, 1000)
"""Items of the lists that are evaluated on: beside the training lengths, five times and fifty times them."""


class WorkingMemoryTask(BinaryTask):
    """A test of working memory, of items that are vectors of random bits, in the format of mi-prometheus.

    Jayram et al. 2018, "Using Multi-task and Transfer Learning to Solve Working Memory Tasks" (arXiv:1809.10847), and
    the code published with it. The first ``controls`` inputs of a step are control bits; a step with one of them is a
    marker and has no data. The others are the bits of an item. Steps at which an item is asked for are all zeros.

    Abstract: a subclass defines ``sample``.
    """

    controls: int
    bits: int

    def _set_sizes(
        self, bits: int, controls: int, min_length: int, max_length: int, evaluation_lengths: Sequence[int]
    ) -> None:
        check_at_least("bits", bits, 1)
        self.bits, self.controls = bits, controls
        self.input_size, self.output_size = controls + bits, bits
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="items")

    def marker(self, control: int, present: Tensor) -> Piece:
        """One step with a control bit, of the sequences ``(B,)``, or rounds ``(B, K)``, that have it."""
        inputs = torch.zeros((*present.shape, 1, self.input_size), device=present.device)
        inputs[..., control] = 1
        return self._unscored(inputs, present.unsqueeze(-1))

    def shown(self, items: Tensor, present: Tensor) -> Piece:
        """Items ``(..., L, bits)`` to keep, those that are ``present (..., L)``."""
        return self._unscored(torch.nn.functional.pad(items, (self.controls, 0)), present)

    def asked(self, items: Tensor, present: Tensor) -> Piece:
        """Items ``(..., L, bits)`` to be given back, those that are ``present (..., L)``."""
        inputs = items.new_zeros((*present.shape, self.input_size))
        return Piece(inputs, items, torch.ones_like(present), present)

    def _unscored(self, inputs: Tensor, present: Tensor) -> Piece:
        targets = inputs.new_zeros((*present.shape, self.output_size))
        return Piece(inputs, targets, torch.zeros_like(present), present)

    def text(self, batch: Batch, index: int) -> str:
        """One sequence, its markers as letters, a dash at each step that asks, and the items that are wanted."""
        given = batch.inputs[index, : int(batch.lengths[index])]
        controls, asks = given[:, : self.controls], batch.mask[index]
        shown = [
            chr(ord("A") + int(control.argmax())) if control.any() else "-" if ask else bit_text(item[None])
            for control, item, ask in zip(controls, given[:, self.controls :], asks)
        ]
        return f"given {' '.join(shown)}; wanted {bit_text(batch.targets[index][asks])}"


class DualOptions(TypedDict, total=False):
    """The arguments of :class:`DualTask`, for tasks that pass them on."""

    bits: int
    min_lists: int
    max_lists: int
    varied: bool
    min_length: int
    max_length: int
    evaluation_lengths: tuple[int, ...]


class DualTask(WorkingMemoryTask):
    """A test with two kinds of lists in turn: those to keep, and others between them.

    Scores add the wrong bits among the lists that were kept, ``bit_errors_kept``, and among the others,
    ``bit_errors_between``, a sequence each.

    Abstract: a subclass defines ``sample``.

    Args:
        bits: Bits of an item.
        min_lists: Fewest lists of each kind.
        max_lists: Most lists of each kind.
        varied: Whether lists have up to ``length`` items, as in training, and not just as many, as in tests.
        min_length: Fewest items of a list in training.
        max_length: Most items of a list in training.
        evaluation_lengths: Items at which generalisation is measured.

    Raises:
        ValueError: If an argument is below 1, or a ``max_`` argument below its ``min_``.
    """

    MARK_KEPT, MARK_BETWEEN, MARK_ANSWER, MARK_END = range(4)
    controls = 4

    def __init__(
        self,
        *,
        bits: int = 8,
        min_lists: int = 1,
        max_lists: int = 4,
        varied: bool = True,
        min_length: int = 1,
        max_length: int = 10,
        evaluation_lengths: tuple[int, ...] = EVALUATED[:2],
    ) -> None:
        self._set_sizes(bits, self.controls, min_length, max_length, evaluation_lengths)
        check_range("min_lists", min_lists, "max_lists", max_lists, minimum=1)
        self.min_lists, self.max_lists, self.varied = min_lists, max_lists, varied

    def _draw_counts(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Items that each list may have ``(B,)``, and which lists of each kind there are ``(B, K)``, bool."""
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        lists = whole(self.min_lists, self.max_lists, (batch_size, 1), generator)
        return length, steps(lists.max(), device) < lists

    def _draw_lists(self, length: Tensor, there: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One kind of lists: their items ``(B, K, L, bits)``, and which there are ``(B, K, L)``.

        Each is of ``length (B,)`` items, or, where lists are varied, of ``min_length`` to ``length``.
        """
        size = length.unsqueeze(1).expand_as(there)  # (B, K)
        if self.varied:
            size = between(size.clamp_max(self.min_length), size, generator)
        longest = int(length.max())
        items = random_bits((*there.shape, longest, self.bits), generator)
        return items, (steps(longest, length.device) < size.unsqueeze(-1)) & there.unsqueeze(-1)

    def splits(self) -> Splits:
        """Validation is of varied lists, and the test of lists of one length."""
        test = copy.copy(self)
        test.varied = False
        return Splits(validation=self, test=test)

    def scores(self, predictions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Those of every task of bits, and the wrong bits of both kinds of lists apart."""
        ended = batch.inputs[..., self.MARK_END].cumsum(1) > 0  # (B, T): what was kept is asked for last
        wrong = ((predictions > 0) != (batch.targets > 0.5)).sum(-1) * batch.mask  # (B, T)
        kept = (wrong * ended).sum(1).float().mean()
        others = (wrong * ~ended).sum(1).float().mean()
        return {**super().scores(predictions, batch), "bit_errors_kept": kept, "bit_errors_between": others}
