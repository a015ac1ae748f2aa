"""Sequences in both directions, as ``torch.nn.LSTM`` takes them with ``bidirectional=True``."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.state_types import known_state


@known_state
class BidirectionalState(NamedTuple):
    """The state of a module of two directions: that of ``forward`` at the last step, of ``backward`` at the first."""

    forward: Any
    backward: Any


def reverse(values: Tensor, lengths: Sequence[int] | Tensor | None) -> Tensor:
    """``values (B, T, ...)`` with each sequence's own steps in reverse; what stands past its length stays there."""
    if lengths is None:
        return values.flip(1)
    steps = torch.arange(values.shape[1], device=values.device)  # (T,)
    ends = torch.as_tensor(lengths, device=values.device).unsqueeze(1)  # (B, 1)
    order = torch.where(steps < ends, ends - 1 - steps, steps)  # (B, T)
    return values.gather(1, order.view(*order.shape, *[1] * (values.dim() - 2)).expand_as(values))


def reverse_resets(resets: Tensor, lengths: Sequence[int] | Tensor | None) -> Tensor:
    """Where sequences in reverse start afresh, ``(B, T)``: before the last step of what came before a start."""
    before = torch.cat([resets[:, 1:], resets.new_zeros(len(resets), 1)], dim=1)
    return reverse(before, lengths)
