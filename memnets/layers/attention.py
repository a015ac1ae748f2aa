"""Causal multi-head attention whose state is a cache of keys and values."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.records import Record
from ..base.segments import clear_padding
from ..base.state_types import known_state
from .base import Layer
from .positions import POSITIONS, penalties, rotate, sinusoids


@known_state
class AttentionState(NamedTuple):
    """Keys and values of all steps so far, with zeros past a sequence's last; of a model of L layers with L after B.

    Attributes:
        keys: ``(B, N, H, K)``; the slot of a step is its place in the sequence.
        values: ``(B, N, H, K)``.
        steps: how many there are of each sequence, ``(B,)``, int64.
    """

    keys: Tensor
    values: Tensor
    steps: Tensor


class AttentionLayer(Layer):
    """``softmax(q k / sqrt(K)) v`` over the steps up to the present one, for each head.

    Args:
        hidden_size: D.
        heads: H.
        positions: how a step's place enters. "none"; "sinusoidal", added to the layer's inputs; "rotary", queries and
            keys are turned by it; "alibi", scores fall with the distance.

    Raises:
        ValueError: a size below 1, ``hidden_size`` is no multiple of ``heads``, or unknown positions.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762; Su et al. 2021, arXiv:2104.09864 (rotary); Press, Smith & Lewis 2022,
        arXiv:2108.12409 (ALiBi).
    """

    growing = True

    def __init__(self, hidden_size: int, heads: int = 4, *, positions: str = "rotary"):
        super().__init__(hidden_size, heads)
        if positions not in POSITIONS:
            raise ValueError(f"positions is {positions!r}, but must be one of {', '.join(POSITIONS)}")
        self.positions = positions
        self.project = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.mix = nn.Linear(hidden_size, hidden_size, bias=False)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> AttentionState:
        """An empty cache."""
        empty = self.zeros(batch_size, 0, self.heads, self.width, device=device, dtype=dtype)
        return AttentionState(empty, empty.clone(), self.zeros(batch_size, device=device, dtype=torch.int64))

    def run(
        self, x: Tensor, state: AttentionState, lengths: Tensor | None, places: Tensor | None = None
    ) -> tuple[Tensor, AttentionState]:
        """The layer over ``x (B, T, D)``.

        Args:
            x: inputs.
            state: the cache; empty where ``places`` are given.
            lengths: of the sequences, or None.
            places: where the steps stand, ascending, ``(1, T)`` or ``(B, T)``; None counts them.
        """
        q, keys, values, added, after = self._attended(x, state, lengths, places)
        o = F.scaled_dot_product_attention(q, keys, values, attn_mask=added, is_causal=added is None)
        return self.mix(o.transpose(1, 2).flatten(2)), after

    def record(self, x: Tensor, state: AttentionState, places: Tensor | None = None) -> dict[str, Record]:
        """How much each step attends to which, of each head."""
        q, keys, _, added, _ = self._attended(x, state, None, places)
        scores = q @ keys.transpose(-1, -2) / self.width**0.5  # (B, H, T, N)
        later = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf")) if added is None else scores + added
        return {"attention": Record(scores.softmax(-1).transpose(1, 2), "weighting")}

    def _attended(
        self, x: Tensor, state: AttentionState, lengths: Tensor | None, places: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None, AttentionState]:
        """Queries, keys and values ``(B, H, ., K)``, what is added to their scores, and the cache after."""
        drawn = places
        if places is None:
            places = state.steps.unsqueeze(1) + torch.arange(x.shape[1], device=x.device)  # (B, T)
        if self.positions == "sinusoidal":
            x = x + sinusoids(places, self.hidden_size, x.dtype)
        q, k, v = self.project(x).unflatten(-1, (3, self.heads, self.width)).unbind(2)  # (B, T, H, K) each
        if self.positions == "rotary":
            q, k = rotate(q, places), rotate(k, places)
        after = extend(state, k, v, lengths)
        q, keys, values = (part.transpose(1, 2).to(q.dtype) for part in (q, after.keys, after.values))  # (B, H, ., K)
        return q, keys, values, self._added_to_scores(places, state, after, q.dtype, drawn), after

    def _added_to_scores(
        self, places: Tensor, state: AttentionState, after: AttentionState, dtype: torch.dtype, drawn: Tensor | None
    ) -> Tensor | None:
        """``(B, H, T, N)`` or ``(B, 1, T, N)``; None where each step sees those before it and that is all."""
        if state.keys.shape[1] == 0 and self.positions != "alibi":
            return None
        keys = torch.arange(after.keys.shape[1], device=places.device) if drawn is None else drawn.unsqueeze(1)
        distances = places.unsqueeze(-1) - keys  # (B, T, N)
        later = distances.unsqueeze(1) < 0
        if self.positions == "alibi":
            return penalties(self.heads, distances, dtype).masked_fill(later, float("-inf"))
        return torch.zeros_like(later, dtype=dtype).masked_fill(later, float("-inf"))


def extend(state: AttentionState, keys: Tensor, values: Tensor, lengths: Tensor | None) -> AttentionState:
    """The cache with the keys and values ``(B, T, H, K)`` of T more steps, of a sequence as many as its length."""
    total = state.steps + (keys.shape[1] if lengths is None else lengths)  # (B,)
    keys, values = (append_steps(a, b, state.steps) for a, b in ((state.keys, keys), (state.values, values)))
    if lengths is not None or state.keys.shape[1]:
        keys, values = (clear_padding(part.flatten(2), total).view_as(part) for part in (keys, values))
    return AttentionState(keys, values, total)


def append_steps(old: Tensor, new: Tensor, start: Tensor) -> Tensor:
    """``old (B, N, ...)`` with ``new (B, T, ...)`` from slot ``start (B,)`` on: ``(B, N + T, ...)``."""
    size = old.shape[1]
    joined = torch.cat([old, new.to(old.dtype)], dim=1)  # (B, N + T, H, K)
    if size == 0:
        return joined
    slots = torch.arange(joined.shape[1], device=joined.device)  # (N + T,)
    shifted = (slots + (size - start).unsqueeze(1)).clamp(max=len(slots) - 1)  # where the new ones stand in ``joined``
    index = torch.where(slots < start.unsqueeze(1), slots, shifted)  # (B, N + T)
    return joined.take_along_dim(index.view(*index.shape, *[1] * (joined.dim() - 2)), dim=1)
