"""From batches and traces to the arrays of one sequence, cut at its length; the checks live here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

AXES = {
    "read_weights": "BTRN",
    "write_weights": "BTWN",
    "memory": "BTNM",
    "reads": "BTRM",
    "key": "BTHM",
    "strength": "BTH",
    "interpolation_gate": "BTH",
    "shift": "BTHS",
    "sharpening": "BTH",
    "erase": "BTWM",
    "add": "BTWM",
    "lengths": "B",
}


class BatchLike(Protocol):
    """What the figures read of a task batch: four tensors by name."""

    @property
    def inputs(self) -> Tensor:
        """The inputs (B,T,I)."""
        ...

    @property
    def targets(self) -> Tensor:
        """The targets (B,T,O)."""
        ...

    @property
    def mask(self) -> Tensor:
        """Which steps are scored, bool (B,T)."""
        ...

    @property
    def lengths(self) -> Tensor:
        """The steps of each sequence, int64 (B,)."""
        ...


class SequenceArrays(NamedTuple):
    """One sequence of a batch, cut at its length L."""

    inputs: np.ndarray  # (L,I)
    targets: np.ndarray  # (L,O)
    mask: np.ndarray  # (L,) bool


def to_numpy(tensor: Tensor) -> np.ndarray:
    """The values of a tensor of any device and precision, as float32."""
    return tensor.detach().float().cpu().numpy()


def length_at(lengths: Tensor, index: int, steps: int) -> int:
    """The length of sequence `index`, checked against the batch and its padded number of steps."""
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


def traced(trace: Mapping[str, Tensor], name: str, index: int) -> np.ndarray:
    """One record of one sequence: `trace[name][index]` up to the sequence's length.

    Args:
        trace: the records by name, each (B,T,...), and lengths (B,).
        name: which record.
        index: which sequence of the batch.

    Returns:
        Float32 array (L,...).

    Raises:
        KeyError: the trace does not hold `name`, or not `lengths`.
        IndexError: no such sequence.
        ValueError: the record has another number of axes, or the sequence is empty.
    """
    values, lengths = _record(trace, name), _record(trace, "lengths")
    if len(lengths) != len(values):
        raise ValueError(f"trace['{name}'] holds {len(values)} sequences, but lengths {len(lengths)}")
    return to_numpy(values[index, : length_at(lengths, index, values.shape[1])])


def _record(trace: Mapping[str, Tensor], name: str) -> Tensor:
    try:
        values = trace[name]
    except KeyError:
        raise KeyError(
            f"this figure needs trace['{name}'], but the trace holds only {sorted(trace)}; "
            "record it from a memory that computes it"
        ) from None
    if values.ndim != len(AXES[name]):
        wanted = ",".join(AXES[name])
        raise ValueError(f"trace['{name}'] must have shape ({wanted}), got {tuple(values.shape)}")
    return values


def batch_sequence(batch: BatchLike, index: int) -> SequenceArrays:
    """The inputs, targets and mask of sequence `index`, cut at its length.

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
    """The outputs of sequence `index` (L,O), with the unscored steps masked.

    Raises:
        ValueError: `outputs` has another shape than the targets, or scored values are not probabilities.
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


def used_slots(*weights: np.ndarray, share: float = 0.05, worth: float = 0.3) -> np.ndarray:
    """The slots worth drawing, as one unbroken stretch of the (circular) memory with a margin.

    A slot counts as used where its weight once exceeds `share` of the largest weight. The longest circular
    run of unused slots is left out, so that a head that walks past the last slot stays in one piece; all
    slots are kept where less than the part `worth` of them could be left out.

    Args:
        weights: weightings (L,heads,N).
        share: the part of the largest weight from which on a slot counts as used.
        worth: the part of the slots that must go for cropping to be worth it.

    Returns:
        Slot numbers in drawing order, int64 (slots drawn,).
    """
    slots = weights[0].shape[-1]
    peaks = np.max([w.max(axis=(0, 1), initial=0.0) for w in weights], axis=0)  # (N,)
    used = np.flatnonzero(peaks > share * peaks.max())
    if not used.size:  # no finite weight, or none above zero
        return np.arange(slots)
    gaps = np.diff(np.append(used, used[0] + slots))  # from each used slot to the next, around the ring
    widest = int(gaps.argmax())
    if widest == len(used) - 1:  # the widest gap lies over the ring's end: nothing wraps
        first, last = int(used[0]), int(used[-1])
    else:
        first, last = int(used[widest + 1]), int(used[widest]) + slots
    margin = max(2, round(0.1 * (last - first + 1)))
    first, last = first - margin, last + margin
    if first < 0 <= last < slots:  # a margin alone is no reason to wrap
        first = 0
    elif 0 <= first < slots <= last and widest == len(used) - 1:
        last = slots - 1
    if last - first + 1 > (1 - worth) * slots:
        return np.arange(slots)
    return np.arange(first, last + 1) % slots
