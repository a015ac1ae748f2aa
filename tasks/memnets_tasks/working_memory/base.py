"""What the tests of working memory share: markers, items that are shown, and items that are asked for."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_range, expand_counts
from memnets_tasks._draw import between
from memnets_tasks._lengths import set_lengths
from memnets_tasks._pieces import Piece
from memnets_tasks.algorithmic._layout import bit_text, random_bits, steps
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.base import Batch

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
        """One step with a control bit, of the sequences ``(B,)`` that have it."""
        inputs = torch.zeros((len(present), 1, self.input_size), device=present.device)
        inputs[..., control] = 1
        return Piece(inputs, self._nothing(inputs), False, present.unsqueeze(1))

    def shown(self, items: Tensor, present: Tensor) -> Piece:
        """Items ``(B, L, bits)`` to keep, those that are ``present (B, L)``."""
        inputs = torch.nn.functional.pad(items, (self.controls, 0))
        return Piece(inputs, self._nothing(inputs), False, present)

    def asked(self, items: Tensor, present: Tensor) -> Piece:
        """Items ``(B, L, bits)`` to be given back, those that are ``present (B, L)``."""
        return Piece(items.new_zeros((*items.shape[:2], self.input_size)), items, True, present)

    def _nothing(self, inputs: Tensor) -> Tensor:
        return inputs.new_zeros((*inputs.shape[:2], self.output_size))

    def text(self, batch: Batch, index: int) -> str:
        """One sequence, its markers as letters, a dash at each step that asks, and the items that are wanted."""
        given = batch.inputs[index, : int(batch.lengths[index])]
        controls, asks = given[:, : self.controls], batch.mask[index]
        shown = [
            chr(ord("A") + int(control.argmax())) if control.any() else "-" if ask else bit_text(item[None])
            for control, item, ask in zip(controls, given[:, self.controls :], asks)
        ]
        return f"given {' '.join(shown)}; wanted {bit_text(batch.targets[index][asks])}"


class DualTask(WorkingMemoryTask):
    """A test with two kinds of lists in turn: those to keep, and others between them.

    Scores add the wrong bits among the lists that were kept, ``bit_errors_kept``, and among the others,
    ``bit_errors_between``, a sequence each.

    Abstract: a subclass defines ``sample``.
    """

    MARK_KEPT, MARK_BETWEEN, MARK_ANSWER, MARK_END = range(4)
    min_lists: int
    max_lists: int
    varied: bool

    def _set_dual(self, min_lists: int, max_lists: int, varied: bool) -> None:
        check_range("min_lists", min_lists, "max_lists", max_lists, minimum=1)
        self.min_lists, self.max_lists, self.varied = min_lists, max_lists, varied

    def _draw_lists(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Items each list may have ``(B,)``, and the lists of each kind ``(B,)``."""
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        high = torch.full_like(length, self.max_lists)
        return length, between(self.min_lists, high, generator)

    def _draw_list(self, length: Tensor, there: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One list of each sequence: its items ``(B, L, bits)`` and which there are ``(B, L)``; none unless ``there``.

        It is of ``length`` items, or, where lists are varied, of ``min_length`` to ``length``.
        """
        size = between(length.clamp_max(self.min_length), length, generator) if self.varied else length
        longest = int(length.max())
        items = random_bits((len(length), longest, self.bits), generator)
        return items, (steps(longest, length.device) < size.unsqueeze(1)) & there.unsqueeze(1)

    def scores(self, predictions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Those of every task of bits, and the wrong bits of both kinds of lists apart."""
        ended = batch.inputs[..., self.MARK_END].cumsum(1) > 0  # (B, T): what was kept is asked for last
        wrong = ((predictions > 0) != (batch.targets > 0.5)).sum(-1) * batch.mask  # (B, T)
        kept = (wrong * ended).sum(1).float().mean()
        others = (wrong * ~ended).sum(1).float().mean()
        return {**super().scores(predictions, batch), "bit_errors_kept": kept, "bit_errors_between": others}


def fixed_lengths(task: Any) -> Any:
    """A copy of a dual task all of whose lists are of the length that is asked for, as tests have them."""
    import copy

    other = copy.copy(task)
    other.varied = False
    return other
