"""Checks of arguments, shared by the tasks. Each error names the value received and the remedy."""

from collections.abc import Iterable
from numbers import Integral

import torch
from torch import Tensor

from memnets.base.task import check_batch_size
from memnets_tasks.base import Batch


def check_at_least(name: str, value: int, minimum: int) -> None:
    """Raise ValueError unless the constructor argument ``name`` is an integer of at least ``minimum``."""
    if not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"{name} is {value!r}; give a whole number of at least {minimum}")


def check_range(low_name: str, low: int, high_name: str, high: int, *, minimum: int) -> None:
    """Raise ValueError unless ``minimum <= low <= high``."""
    check_at_least(low_name, low, minimum)
    if not isinstance(high, Integral) or high < low:
        raise ValueError(f"{high_name} is {high!r}, below {low_name} {low}; give at least {low}")


def check_evaluation_lengths(lengths: Iterable[int], *, minimum: int) -> tuple[int, ...]:
    """The lengths as a tuple; ValueError if there is none, or one below ``minimum``."""
    lengths = tuple(lengths)
    if not lengths:
        raise ValueError("evaluation_lengths is empty; give at least one length")
    for length in lengths:
        check_at_least(f"evaluation_lengths {lengths}: a length", length, minimum)
    return lengths


def check_logits(logits: Tensor, batch: Batch) -> None:
    """Raise ValueError unless ``logits`` has the shape of ``batch.targets``, ``(B, T, O)``."""
    if logits.shape != batch.targets.shape:
        raise ValueError(
            f"logits have shape {tuple(logits.shape)}, but the targets {tuple(batch.targets.shape)}; "
            "give the network's output at every step, batch first (B, T, O), with O the task's output_size"
        )


def expand_counts(
    name: str, counts: int | Tensor, batch_size: int, device: torch.device, *, minimum: int, unit: str
) -> Tensor:
    """One count for each sequence; the batch's size is checked as well.

    Args:
        name: The argument's name, for messages.
        counts: One count for all sequences, or one for each: ``(B,)``, int64.
        batch_size: Number of sequences, ``B``.
        device: Where the result is wanted.
        minimum: Smallest count allowed.
        unit: What is counted, for messages.

    Returns:
        ``(B,)``, int64, on ``device``.

    Raises:
        ValueError: If ``batch_size`` is below 1, a count is below ``minimum``, or ``counts`` is of another type, shape
            or dtype.
    """
    check_batch_size(batch_size)
    if isinstance(counts, Tensor):
        if counts.shape != (batch_size,) or counts.dtype != torch.int64:
            raise ValueError(
                f"{name} has shape {tuple(counts.shape)} and dtype {counts.dtype}; "
                f"give one int, or an int64 tensor of shape ({batch_size},), one {name} for each sequence"
            )
        smallest = int(counts.min())
    elif isinstance(counts, Integral):
        smallest = int(counts)
    else:
        raise ValueError(f"{name} is {counts!r}; give an int, or an int64 tensor of shape ({batch_size},)")
    if smallest < minimum:
        raise ValueError(f"{name} is {smallest}; give at least {minimum} {unit}")
    if isinstance(counts, Tensor):
        return counts.to(device)
    return torch.full((batch_size,), smallest, dtype=torch.int64, device=device)
