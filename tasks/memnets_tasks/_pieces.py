"""Sequences put together from pieces whose lengths differ from one sequence to the next."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from memnets_tasks.base import Batch


class Piece(NamedTuple):
    """Some steps of each sequence.

    Attributes:
        inputs: ``(B, S, I)``.
        targets: ``(B, S, O)``, or ``(B, S)`` classes.
        scored: Whether the output of these steps is scored.
        present: ``(B, S)``, bool; the steps that a sequence has. The others leave no gap.
    """

    inputs: Tensor
    targets: Tensor
    scored: bool
    present: Tensor


def join(pieces: Sequence[Piece]) -> Batch:
    """The pieces one after the other, each sequence without the steps that it has not, padded with zeros at the end."""
    present = torch.cat([piece.present for piece in pieces], dim=1)  # (B, S)
    scored = torch.cat([torch.full_like(piece.present, piece.scored) for piece in pieces], dim=1)
    lengths = present.sum(1)
    order = (~present).to(torch.uint8).argsort(dim=1, stable=True)[:, : int(lengths.max())]  # (B, T): present first
    inside = torch.arange(order.shape[1], device=order.device) < lengths.unsqueeze(1)
    mask = scored.gather(1, order) & inside
    inputs = _ordered(torch.cat([piece.inputs for piece in pieces], dim=1), order, inside)
    targets = _ordered(torch.cat([piece.targets for piece in pieces], dim=1), order, mask)
    return Batch(inputs, targets, mask, lengths)


def _ordered(values: Tensor, order: Tensor, kept: Tensor) -> Tensor:
    sequence = torch.arange(len(order), device=order.device).unsqueeze(1)  # (B, 1)
    taken = values[sequence, order]  # (B, T, ...)
    return taken * (kept.unsqueeze(-1) if taken.dim() == 3 else kept)
