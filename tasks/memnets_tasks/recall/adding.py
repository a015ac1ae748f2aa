"""The adding problem: the sum of two marked numbers of a long sequence."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_logits, expand_counts
from memnets_tasks._draw import up_to
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch
from memnets_tasks.scored_steps import StepTask, Tally

TOLERANCE = 0.04
"""Largest error of an answer that counts as right: Hochreiter & Schmidhuber 1997, section 5.4."""


@final
class Adding(StepTask):
    """The adding problem: of a list of numbers, two of which are marked, the sum of these.

    Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", section 5.4, in the format that Le et al. 2015
    (arXiv:1504.00941) and those after them use: numbers from 0 to 1, sequences of one length, one mark in each half.

    | steps      | channel 0            | channel 1                       | target              | scored |
    |------------|----------------------|---------------------------------|---------------------|--------|
    | 0 to T - 2 | uniform from 0 to 1  | 1 at a step of the first and at | 0                   | no     |
    | T - 1      | uniform from 0 to 1  | one of the second half, else 0  | sum of both numbers | yes    |

    ``input_size`` is 2, ``output_size`` 1. The loss is the squared error; always saying 1 has 1/6. A sequence is right
    where the error is below 0.04, and the task is solved with fewer than 1 wrong of 100, as in the paper.

    Args:
        min_length: Shortest sequence in training.
        max_length: Longest sequence in training.
        evaluation_lengths: Lengths at which generalisation is measured.

    Raises:
        ValueError: If a length is below 2.
    """

    threshold = 0.01

    def __init__(
        self,
        *,
        min_length: int = 50,
        max_length: int = 100,
        evaluation_lengths: tuple[int, ...] = (100, 200, 400, 750),
    ) -> None:
        self.input_size, self.output_size = 2, 1
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="numbers", least=2)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of sequences of numbers.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Numbers: one length for all sequences, or ``(B,)``, int64. At least 2.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` is below 1, a length below 2, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=2, unit=self.length_unit)
        t = steps(length.max(), device)  # (1, T)
        numbers = torch.rand((batch_size, t.shape[1]), generator=generator, device=device)
        half = length // 2
        marks = torch.stack([up_to(half, generator), half + up_to(length - half, generator)], dim=1)  # (B, 2)
        marked = torch.zeros_like(numbers).scatter(1, marks, 1.0)
        inside = t < length.unsqueeze(1)
        mask = t == length.unsqueeze(1) - 1
        total = (numbers * marked).sum(1, keepdim=True)  # (B, 1)
        inputs = torch.stack([numbers * inside, marked], dim=-1)  # (B, T, 2)
        return Batch(inputs, (total * mask).unsqueeze(-1), mask, length)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The squared error, averaged over the sequences.

        Args:
            outputs: ``(B, T, 1)``, the network's output.
            batch: The batch the output belongs to.

        Raises:
            ValueError: If ``outputs`` does not have the shape of ``batch.targets``.
        """
        check_logits(outputs, batch)
        return (outputs[batch.mask].float() - batch.targets[batch.mask]).square().mean()

    def right(self, predictions: Tensor, batch: Batch) -> Tensor:
        """Where the error is below 0.04: ``(B, T)``, bool; raises what ``loss`` does."""
        check_logits(predictions, batch)
        return ((predictions - batch.targets).abs() < TOLERANCE).squeeze(-1)

    def tallies(self, predictions: Tensor, batch: Batch) -> dict[str, Tally]:
        """Those of every task of steps, and the ``squared_error``."""
        squares = (predictions[batch.mask].float() - batch.targets[batch.mask]).square()
        squared_error = Tally(squares.sum(), batch.lengths.new_tensor(len(batch)))
        return {**super().tallies(predictions, batch), "squared_error": squared_error}

    def text(self, batch: Batch, index: int) -> str:
        """The numbers of one sequence, the marked ones with a plus, and their sum."""
        given = batch.inputs[index, : int(batch.lengths[index])].tolist()
        shown = " ".join(f"{'+' if mark else ''}{number:.2f}" for number, mark in given)
        return f"given {shown}; wanted {float(batch.targets[index][batch.mask[index]]):.2f}"
