"""Priority sort: output random vectors in the order of priorities that came with them."""

import copy
from typing import Any, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_range, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import bit_text, random_bits, steps, take_steps
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.base import Batch, Splits

_GRID = 2**23
"""Priorities are multiples of one part in this many, which float32 holds exactly from -1 to 1."""


@final
class PrioritySort(BinaryTask):
    """The priority sort task: given random vectors with priorities, output those of the highest in order.

    Graves et al. 2014, section 4.5 (arXiv:1410.5401). A sequence of ``length`` L vectors, of which K are to be
    output, has T = L + K + 1 steps:

    | steps          | bit channels | priority  | delimiter | targets                        | scored |
    |----------------|--------------|-----------|-----------|--------------------------------|--------|
    | 0 to L - 1     | vector t     | its own   | 0         | 0                              | no     |
    | L              | 0            | 0         | 1         | 0                              | no     |
    | L + 1 to L + K | 0            | 0         | 0         | vector of the (t-L)th priority | yes    |

    ``input_size`` is bits + 2 (priority, then delimiter, are the last channels), ``output_size`` is bits. Priorities
    are uniform over -1 to 1, and no two of a sequence are equal. K is ``outputs`` where L is ``vectors``, as in the
    paper, and the same share of other lengths, rounded up.

    Few networks sort without an error. The ``threshold`` of 10 wrong bits a sequence, of the 128 that the paper's
    sequences are scored on, is the least that its NTMs reached (read off its figure 18, which counts the cost in
    bits); its LSTM stayed near 50, and coin tosses have 64.

    Args:
        vectors: Most vectors in training; the paper has 20 always.
        outputs: How many of ``vectors`` vectors are to be output.
        bits: Bits of each vector.
        min_length: Fewest vectors in training; None for ``vectors``. Validation is of ``vectors`` alone.
        evaluation_lengths: Vectors at which generalisation is measured.

    Raises:
        ValueError: If an argument is below 1, ``outputs`` is above ``vectors``, or ``vectors`` is below ``min_length``.
    """

    def __init__(
        self,
        *,
        vectors: int = 20,
        outputs: int = 16,
        bits: int = 8,
        min_length: int | None = None,
        evaluation_lengths: tuple[int, ...] = (20, 25, 30, 40),
    ) -> None:
        check_at_least("vectors", vectors, 1)
        check_range("outputs", outputs, "vectors", vectors, minimum=1)
        check_at_least("bits", bits, 1)
        self.bits = bits
        self.outputs = outputs
        self.input_size = bits + 2
        self.output_size = bits
        shortest = vectors if min_length is None else min_length
        set_lengths(self, shortest, vectors, evaluation_lengths, unit="vectors", names=("min_length", "vectors"))
        self.threshold = 10.0

    def splits(self) -> Splits:
        """Validation is of ``vectors`` vectors alone: shorter sequences aid training, but are not what is asked for."""
        if self.min_length == self.max_length:
            return super().splits()
        whole = copy.copy(self)
        whole.min_length = self.max_length
        return Splits(validation=whole, test=self)

    def count_outputs(self, length: Tensor) -> Tensor:
        """How many vectors are to be output of ``length`` ones: int64 of any shape."""
        return -(-length * self.outputs // self.max_length)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of vectors to sort.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Vectors to sort: one number for all sequences, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch; its ``lengths`` are ``length + count_outputs(length) + 1`` steps.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        lengths = length + self.count_outputs(length) + 1
        t = steps(lengths.max(), device)  # (1, T)
        delimiter = length.unsqueeze(1)  # (B, 1), the step of the delimiter
        longest = int(length.max())

        vectors = random_bits((batch_size, longest, self.bits), generator)  # (B, L, bits)
        priorities = _distinct_priorities(batch_size, longest, generator)  # (B, L)
        given = torch.cat([vectors, priorities.unsqueeze(-1)], dim=-1)  # (B, L, bits + 1)
        shown = take_steps(given, t.expand(batch_size, -1), t < delimiter)  # (B, T, bits + 1)
        inputs = torch.cat([shown, (t == delimiter).unsqueeze(-1).float()], dim=-1)  # (B, T, bits + 2)

        ranked = priorities.masked_fill(steps(longest, device) >= delimiter, -2.0)  # padding comes last
        order = ranked.argsort(dim=1, descending=True)  # (B, L)
        mask = (t > delimiter) & (t < lengths.unsqueeze(1))  # (B, T)
        source = order.gather(1, (t - delimiter - 1).clamp(0, longest - 1))  # (B, T)
        return Batch(inputs, take_steps(vectors, source, mask), mask, lengths)

    def priorities(self, batch: Batch) -> Tensor:
        """The priority given at each step ``(B, T)``, NaN at steps that give none."""
        t = steps(batch.inputs.shape[1], batch.inputs.device)
        delimiter = batch.inputs[..., -1].argmax(dim=1, keepdim=True)  # (B, 1)
        return batch.inputs[..., self.bits].masked_fill(t >= delimiter, float("nan"))

    def figures(self, batch: Batch, predictions: Tensor, trace: Any) -> dict[str, Any]:
        """Where vectors are written by their priority, and read (the paper's figure 17), by file name.

        Args:
            batch: A batch; its first sequence is drawn.
            predictions: ``(B, T, bits)``, which are not needed.
            trace: The memory's trace, or None without a memory, which leaves nothing to draw.
        """
        if trace is None:
            return {}
        from memnets import viz

        return {"sorting": viz.sorting_figure(batch, self.priorities(batch), trace)}

    def text(self, batch: Batch, index: int) -> str:
        """The vectors of one sequence with their priorities, and those that are wanted, highest priority first."""
        priorities = self.priorities(batch)[index]
        given = priorities.isfinite()
        vectors = batch.inputs[index][given][:, : self.bits]  # (L, bits)
        shown = [f"{bit_text(v[None])} ({p:+.2f})" for v, p in zip(vectors, priorities[given].tolist())]
        return f"given {' '.join(shown)}; wanted {bit_text(batch.targets[index][batch.mask[index]])}"


def _distinct_priorities(batch_size: int, count: int, generator: torch.Generator) -> Tensor:
    """Priorities ``(B, count)``, float32, uniform over -1 to 1, no two of a row equal.

    Drawn whole numbers may be equal; their ranks are not, and are added.
    """
    shape, device = (batch_size, count), generator.device
    drawn = torch.randint(0, 2 * _GRID - count + 1, shape, generator=generator, device=device)
    ranks = drawn.argsort(dim=1, stable=True).argsort(dim=1)
    return (drawn + ranks).float() / _GRID - 1
