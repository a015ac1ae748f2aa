"""Sequences put together from pieces whose lengths differ from one sequence to the next."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch


class Piece(NamedTuple):
    """Some steps of each sequence.

    Attributes:
        inputs: ``(B, S, I)``.
        targets: ``(B, S, O)``.
        scored: ``(B, S)``, bool; the steps whose output is scored.
        present: ``(B, S)``, bool; the steps that a sequence has. The others leave no gap.
    """

    inputs: Tensor
    targets: Tensor
    scored: Tensor
    present: Tensor


class Order(NamedTuple):
    """Where the steps that are present come to stand, one after the other.

    Attributes:
        source: ``(B, T)``, int64; which step of the pieces each step is.
        inside: ``(B, T)``, bool; the steps before a sequence's end.
        lengths: ``(B,)``, int64.
    """

    source: Tensor
    inside: Tensor
    lengths: Tensor

    def take(self, values: Tensor) -> Tensor:
        """The steps of values ``(B, S, ...)`` in this order, zeros past the end: ``(B, T, ...)``."""
        if values.dim() == 2:
            return values.gather(1, self.source) * self.inside
        index = self.source.unsqueeze(-1).expand(-1, -1, values.shape[-1])
        return values.gather(1, index) * self.inside.unsqueeze(-1)


def order(present: Tensor, place: Tensor | None = None) -> Order:
    """The order of the steps that are ``present (B, S)``, bool, without gaps; by ``place (B, S)``, or as they stand."""
    lengths = present.sum(1)
    if place is None:
        source = (~present).to(torch.uint8).argsort(dim=1, stable=True)  # those present first
    else:
        source = place.masked_fill(~present, torch.inf).argsort(dim=1)
    source = source[:, : int(lengths.max())]
    return Order(source, steps(source.shape[1], source.device) < lengths.unsqueeze(1), lengths)


def beside(pieces: Sequence[Piece]) -> Piece:
    """Pieces ``(B, K, S, ...)`` of K rounds as one: all pieces of the first round, then of the second, and so on."""
    return Piece(*(torch.cat(parts, dim=2).flatten(1, 2) for parts in zip(*pieces)))


def join(pieces: Sequence[Piece]) -> Batch:
    """The pieces one after the other, each sequence without the steps that it has not, padded with zeros at the end."""
    inputs, targets, scored, present = (torch.cat(parts, dim=1) for parts in zip(*pieces))
    placed = order(present)
    mask = scored.gather(1, placed.source) & placed.inside
    targets = placed.take(targets) * mask.unsqueeze(-1)
    return Batch(placed.take(inputs), targets, mask, placed.lengths)
