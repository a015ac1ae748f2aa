"""From a batch to the arrays of one sequence, cut at its length; the checks live here."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor


class BatchLike(Protocol):
    """What the figures read of a task batch: four tensors by name."""

    @property
    def inputs(self) -> Tensor:
        """The inputs ``(B, T, I)``."""
        ...

    @property
    def targets(self) -> Tensor:
        """The targets ``(B, T, O)``."""
        ...

    @property
    def mask(self) -> Tensor:
        """Which steps are scored, bool ``(B, T)``."""
        ...

    @property
    def lengths(self) -> Tensor:
        """The steps of each sequence, int64 ``(B,)``."""
        ...


class SequenceArrays(NamedTuple):
    """One sequence of a batch, cut at its length L."""

    inputs: np.ndarray  # (L,I)
    targets: np.ndarray  # (L,O)
    mask: np.ndarray  # (L,) bool


class Mistakes(NamedTuple):
    """What is wrong among the scored outputs of a sequence: where, how many of its answers, and of how many."""

    where: np.ndarray  # (L,O) bool
    wrong: int
    answers: int


def to_numpy(tensor: Tensor) -> np.ndarray:
    """The values of a tensor of any device and precision, as float32."""
    return tensor.detach().float().cpu().numpy()


def length_at(lengths: Tensor, index: int, steps: int) -> int:
    """The length of sequence ``index``, checked against the batch and its padded number of steps."""
    count = len(lengths)
    if not 0 <= index < count:
        raise IndexError(f"index must lie in 0..{count - 1} for a batch of {count} sequences, got {index}")
    length = int(lengths[index])
    if not 1 <= length <= steps:
        raise ValueError(
            f"sequence {index} has length {length}, but a length of 1 to {steps} (the steps held) can be "
            "drawn; choose another index, or check lengths"
        )
    return length


def batch_sequence(batch: BatchLike, index: int) -> SequenceArrays:
    """The inputs, targets and mask of sequence ``index``, cut at its length.

    Raises:
        IndexError: no such sequence.
        ValueError: the tensors of the batch do not fit together, or the sequence is empty.
    """
    for name, tensor in (("inputs", batch.inputs), ("targets", batch.targets)):
        if tensor.ndim != 3:
            raise ValueError(f"batch.{name} must have shape (B,T,features), got {tuple(tensor.shape)}")
    if not batch.inputs.shape[:2] == batch.targets.shape[:2] == batch.mask.shape:
        raise ValueError(
            "batch.inputs, batch.targets and batch.mask must agree in (B,T), got "
            f"{tuple(batch.inputs.shape)}, {tuple(batch.targets.shape)} and {tuple(batch.mask.shape)}"
        )
    length = length_at(batch.lengths, index, batch.inputs.shape[1])
    return SequenceArrays(
        to_numpy(batch.inputs[index, :length]),
        to_numpy(batch.targets[index, :length]),
        to_numpy(batch.mask[index, :length]) > 0.5,
    )


def scored_outputs(batch: BatchLike, outputs: Tensor, index: int) -> np.ma.MaskedArray:
    """The outputs of sequence ``index`` ``(L, O)``, with the unscored steps masked.

    Raises:
        ValueError: ``outputs`` has another shape than the targets, or scored values are not probabilities.
    """
    if outputs.shape != batch.targets.shape:
        raise ValueError(
            f"outputs must have the shape of batch.targets {tuple(batch.targets.shape)}, got {tuple(outputs.shape)}"
        )
    mask = batch_sequence(batch, index).mask
    values = to_numpy(outputs[index, : len(mask)])
    scored = values[mask]
    if scored.size and (scored.min() < 0 or scored.max() > 1):
        raise ValueError(
            "outputs must be probabilities in 0..1, got values from "
            f"{scored.min():.3g} to {scored.max():.3g}; pass logits.sigmoid() or logits.softmax(-1)"
        )
    return np.ma.array(values, mask=np.broadcast_to(~mask[:, None], values.shape))  # (L,O)


def mistakes(output: np.ma.MaskedArray, targets: np.ndarray, classes: int | None = None) -> Mistakes:
    """Compare scored outputs ``(L, O)`` with their targets ``(L, O)``.

    Args:
        output: probabilities, masked at unscored steps.
        targets: zeros and ones.
        classes: how many successive outputs are the classes of one answer, of which the largest counts; None where each
            output is an answer, which is 1 above 0.5. Where a class is wrong, so is the output of the right one.

    Raises:
        ValueError: the outputs cannot be parted into as many ``classes``.
    """
    scored = ~np.ma.getmaskarray(output)
    if classes is None:
        where = scored & ((output.data > 0.5) != (targets > 0.5))
        return Mistakes(where, int(where.sum()), int(scored.sum()))
    if classes < 1 or output.shape[1] % classes:
        raise ValueError(f"classes is {classes}, but must divide the {output.shape[1]} outputs of a step")
    shape = (len(targets), -1, classes)
    given, wanted = (values.reshape(shape).argmax(2) for values in (output.data, targets))  # (L,O/classes)
    wrong = scored[:, ::classes] & (given != wanted)
    either = np.arange(classes) == np.stack([given, wanted])[..., None]  # (2,L,O/classes,classes)
    where = (either.any(0) & wrong[..., None]).reshape(output.shape)
    return Mistakes(where, int(wrong.sum()), int(scored[:, ::classes].sum()))
