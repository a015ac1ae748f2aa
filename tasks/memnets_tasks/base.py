"""The contract of a task: what training, evaluation and figures may ask of it."""

import abc
from typing import NamedTuple

import torch
from torch import Tensor

from memnets_tasks._checks import check_batch_size


class Batch(NamedTuple):
    """Sequences to be processed together, padded with zeros to the longest of them.

    Attributes:
        inputs: `(B, T, I)`, float32.
        targets: `(B, T, O)`, float32; zero where the output is not scored.
        mask: `(B, T)`, bool; True at the steps whose output is scored.
        lengths: `(B,)`, int64; the steps of each sequence, those of the answer included. Steps past a
            sequence's length are padding: zero in `inputs` and `targets`, False in `mask`.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch with every tensor on `device`."""
        return Batch(*(tensor.to(device) for tensor in self))


class Task(abc.ABC):
    """What a network is asked to do.

    A task has a size that makes it harder, called its length and counted in `length_unit`. Training draws
    lengths uniformly from `min_length` to `max_length`, both included; evaluation uses `evaluation_lengths`,
    most of them longer. The length of a task is not the number of steps: that is `Batch.lengths`.

    A subclass sets the attributes below in its `__init__` and defines the abstract methods. Tasks whose
    targets are bits inherit from `memnets_tasks.BinaryTask`, which defines all of them but `sample`; others
    (classification, regression) define a loss and metrics of their own. A task may also define
    `figures(batch, outputs, record)`, from a batch of one, probabilities `(1, T, O)`, and the trace of the memory
    or None: figures by file name, drawn beside those of every task.

    Attributes:
        input_size: Channels of `Batch.inputs`, `I`.
        output_size: Channels the network must output, `O`.
        min_length: Shortest training length, in `length_unit`.
        max_length: Longest training length, in `length_unit`.
        evaluation_lengths: Lengths at which generalisation is measured, in `length_unit`.
        length_unit: What a length counts, in the plural: "vectors", "items".
        threshold: Errors per sequence (bits, in a binary task) below which the task counts as solved. The
            value 0.1 is that of Collier & Beel 2018, "Implementing Neural Turing Machines".
    """

    input_size: int
    output_size: int
    min_length: int
    max_length: int
    evaluation_lengths: tuple[int, ...]
    length_unit: str
    threshold: float = 0.1

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Draw training lengths, uniform over `min_length` to `max_length` inclusive.

        Args:
            batch_size: Number of lengths, `B`.
            generator: Source of randomness; the lengths are made on its device.
            max_length: A cap given by a curriculum. The task's own `max_length` still holds above it.

        Returns:
            `(B,)`, int64, in `length_unit`.

        Raises:
            ValueError: If `batch_size` is below 1 or `max_length` is below the task's `min_length`.
        """
        check_batch_size(batch_size)
        longest = self.max_length if max_length is None else min(max_length, self.max_length)
        if longest < self.min_length:
            raise ValueError(
                f"max_length is {max_length}, below the task's min_length {self.min_length}; "
                f"give a cap of {self.min_length} to {self.max_length} {self.length_unit}, or None"
            )
        return torch.randint(self.min_length, longest + 1, (batch_size,), generator=generator, device=generator.device)

    @abc.abstractmethod
    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch, a function of the arguments and of the generator's state alone.

        Args:
            batch_size: Number of sequences, `B`.
            length: One length for all sequences, or one for each: `(B,)`, int64. In `length_unit`. It may
                lie outside the training range.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch. `T` is the number of steps of its longest sequence.

        Raises:
            ValueError: If `batch_size` or a length is too small, or `length` has another shape or dtype.
        """

    @abc.abstractmethod
    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The training loss.

        Args:
            logits: `(B, T, O)`, the network's output, before any activation.
            batch: The batch the output belongs to.

        Returns:
            A scalar, averaged so that it does not grow with the batch or the length.

        Raises:
            ValueError: If `logits` does not have the shape of `batch.targets`.
        """

    def loss_weight(self, batch: Batch) -> Tensor:
        """How much a batch counts beside others: the number of elements `loss` averages over, as a scalar.

        Processes that train together weigh the losses of their shares by it, so that the sum is the loss of the
        whole batch. The scored steps, here; a loss that averages over something else overrides it.
        """
        return batch.mask.sum()

    @abc.abstractmethod
    def per_sequence_errors(self, logits: Tensor, batch: Batch) -> Tensor:
        """Errors of each sequence, in the unit of `threshold`: `(B,)`, float32.

        Takes and raises what `loss` does.
        """

    @abc.abstractmethod
    def metrics(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """What is reported of a batch: scalars by name, each averaged over the sequences.

        Takes and raises what `loss` does.
        """
