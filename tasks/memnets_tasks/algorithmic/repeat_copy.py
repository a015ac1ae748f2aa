"""Repeat copy: output a sequence of random vectors a given number of times, then an end marker."""

import math
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_range, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import bit_text, random_bits, steps, take_steps
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.base import Batch


@final
class RepeatCopy(BinaryTask):
    """The repeat copy task: store L random vectors, output them R times, then say that this is the end.

    Graves et al. 2014, section 4.2 (arXiv:1410.5401). One sequence of ``length`` L with R repeats has
    T = L + L R + 2 steps:

    | steps                   | bit channels | delimiter | count        | targets: bits       | end | scored |
    |-------------------------|--------------|-----------|--------------|---------------------|-----|--------|
    | 0 to L - 1              | vector t     | 0         | 0            | 0                   | 0   | no     |
    | L                       | 0            | 1         | normalised R | 0                   | 0   | no     |
    | L + 1 to L + L R        | 0            | 0         | 0            | vector (t-L-1) mod L | 0  | yes    |
    | L + L R + 1             | 0            | 0         | 0            | 0                   | 1   | yes    |

    ``input_size`` is bits + 2 (delimiter, then count, are the last channels), ``output_size`` is bits + 1 (the
    end marker is the last). The count is normalised to mean zero and variance one over the training
    distribution of R, which is uniform over ``min_repeats`` to ``max_repeats``.

    At evaluation the repeats come from that same distribution. To ask for more of them, pass ``repeats`` to
    ``sample``: ``task.sample(64, 10, generator, repeats=20)``. Do not build a task with a larger ``max_repeats``
    for it: its count would be normalised differently from the one the network was trained on.

    Args:
        bits: Bits of each vector.
        min_length: Fewest vectors in training.
        max_length: Most vectors in training.
        min_repeats: Fewest repeats in training.
        max_repeats: Most repeats in training.
        evaluation_lengths: Vectors at which generalisation is measured; the paper shows 10 and 20.

    Raises:
        ValueError: If an argument is below 1, or a ``max_`` argument is below its ``min_``.
    """

    def __init__(
        self,
        *,
        bits: int = 8,
        min_length: int = 1,
        max_length: int = 10,
        min_repeats: int = 1,
        max_repeats: int = 10,
        evaluation_lengths: tuple[int, ...] = (10, 20),
    ) -> None:
        check_at_least("bits", bits, 1)
        check_range("min_repeats", min_repeats, "max_repeats", max_repeats, minimum=1)
        self.bits = bits
        self.input_size = bits + 2
        self.output_size = bits + 1
        self.min_repeats = min_repeats
        self.max_repeats = max_repeats
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="vectors")

    def sample(
        self,
        batch_size: int,
        length: int | Tensor,
        generator: torch.Generator,
        repeats: int | Tensor | None = None,
    ) -> Batch:
        """Draw a batch of sequences to repeat.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Vectors to repeat: one number for all sequences, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.
            repeats: How often: one number for all sequences, or ``(B,)``, int64, at least 1; it may lie outside
                the training range. None draws each from the training distribution.

        Returns:
            The batch; its ``lengths`` are ``length + length * repeats + 2`` steps.

        Raises:
            ValueError: If ``batch_size``, a length or a repeat is below 1, or one of the tensors has another
                shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        if repeats is None:
            repeats = torch.randint(
                self.min_repeats, self.max_repeats + 1, (batch_size,), generator=generator, device=device
            )
        else:
            repeats = expand_counts("repeats", repeats, batch_size, device, minimum=1, unit="repeats")
        lengths = length + length * repeats + 2
        t = steps(lengths.max(), device)  # (1, T)
        delimiter = length.unsqueeze(1)  # (B, 1), the step of the delimiter
        end = lengths.unsqueeze(1) - 1  # (B, 1), the step of the end marker

        vectors = random_bits((batch_size, int(length.max()), self.bits), generator)  # (B, L, bits)
        shown = take_steps(vectors, t.expand(batch_size, -1), t < delimiter)  # (B, T, bits)
        asked = (t == delimiter).unsqueeze(-1)  # (B, T, 1)
        count = torch.where(asked, self.normalise(repeats)[:, None, None], 0.0)  # (B, T, 1)
        inputs = torch.cat([shown, asked.float(), count], dim=-1)  # (B, T, bits + 2)

        copying = (t > delimiter) & (t < end)  # (B, T)
        copies = take_steps(vectors, (t - delimiter - 1) % delimiter, copying)  # (B, T, bits)
        targets = torch.cat([copies, (t == end).unsqueeze(-1).float()], dim=-1)  # (B, T, bits + 1)
        return Batch(inputs, targets, (t > delimiter) & (t <= end), lengths)

    def normalise(self, repeats: Tensor) -> Tensor:
        """The repeat count as the network sees it, of any shape: mean 0 and variance 1 in training, float32.

        With one possible count the variance cannot be 1: that count becomes 0.
        """
        choices = self.max_repeats - self.min_repeats + 1
        mean = (self.min_repeats + self.max_repeats) / 2
        deviation = math.sqrt((choices**2 - 1) / 12) or 1.0  # of a discrete uniform distribution
        return (repeats.float() - mean) / deviation

    def text(self, batch: Batch, index: int) -> str:
        """The vectors of one sequence and how often they are asked for, and what is wanted, the end marked."""
        length = int(batch.inputs[index, :, self.bits].argmax())  # the step of the delimiter
        wanted = batch.targets[index][batch.mask[index]]  # (L R + 1, bits + 1)
        given = bit_text(batch.inputs[index, :length, : self.bits])
        return f"given {given}, {(len(wanted) - 1) // length} times; wanted {bit_text(wanted[:-1, : self.bits])} end"
