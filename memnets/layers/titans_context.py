"""Titans with memory as context: attention over a segment sees what the memory of earlier segments recalls for it."""

from typing import Any, NamedTuple, Unpack

import torch
from torch import Tensor, nn

from ..base.records import Record
from ..base.segments import clear_padding
from ..base.state_types import known_state
from ..ops.neural_memory import recall
from .base import Layer
from .delta import unit_length
from .gated_output import NORM_EPSILON
from .positions import rotate
from .short_convolution import last_steps
from .titans import TitansLayer, TitansState
from .titans_attention import NeuralMemoryOptions
from .window_attention import attend, learned_keys


@known_state
class TitansContextState(NamedTuple):
    """The state of the memory, and what attention sees of the present segment.

    Attributes:
        memory: of the neural memory, whose chunks are the segments.
        keys: of the last b - 1 steps, of what was recalled and of the step itself, ``(B, b - 1, 2, H, K)``.
        values: theirs, ``(B, b - 1, 2, H, K)``.
    """

    memory: TitansState
    keys: Tensor
    values: Tensor


class TitansContextLayer(Layer):
    """Segments of b steps, of which each is read together with what the memory recalls (MAC, equations 21 to 25).

    For a step x of a segment the memory as it was before the segment recalls ``h = M(query x)``; attention y sees the
    learned vectors, and x and h of the segment's steps so far; the memory is trained on y, and what it recalls then
    gates y: ``norm(y) * sigmoid(norm(M(y)))``.

    Args:
        hidden_size: D.
        heads: H.
        persistent: learned vectors that attention sees.
        options: those of :class:`TitansLayer`: ``depth``, ``chunk`` (b), ``window``, ``momentum``, ``decay``,
            ``convolution``, ``parallel``.

    Raises:
        ValueError: a size below its minimum, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        Behrouz, Zhong & Mirrokni 2024, Titans, arXiv:2501.00663, section 4.1. Left open there and chosen here: a step
        sees what was recalled for itself and for the steps before it, not for those to come, so that steps can be
        taken one by one; what gates y has been trained on the steps up to this one.
    """

    def __init__(
        self, hidden_size: int, heads: int = 4, *, persistent: int = 4, **options: Unpack[NeuralMemoryOptions]
    ):
        super().__init__(hidden_size, heads)
        self.memory = TitansLayer(hidden_size, heads, **options)
        self.query = nn.Linear(hidden_size, hidden_size, bias=False)
        self.project = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.mix = nn.Linear(hidden_size, hidden_size, bias=False)
        self.persistent = learned_keys(heads, persistent, self.width)
        self.memory_norm = nn.RMSNorm(hidden_size, eps=NORM_EPSILON)
        self.attention_norm = nn.RMSNorm(hidden_size, eps=NORM_EPSILON)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> TitansContextState:
        """The learned memory, at the start of a segment."""
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        keys = self.zeros(batch_size, self.memory.chunk - 1, 2, self.heads, self.width, **options)
        return TitansContextState(self.memory.initial_state(batch_size, **options), keys, keys.clone())

    def run(self, x: Tensor, state: TitansContextState, lengths: Tensor | None) -> tuple[Tensor, TitansContextState]:
        """The layer over ``x (B, T, D)``, a piece of a segment at a time."""
        starts, outputs = self._starts(state.memory.memory.place, x.shape[1]), []
        for start, stop in zip(starts, [*starts[1:], x.shape[1]]):
            within = None if lengths is None else (lengths - start).clamp(0, stop - start)
            y, state = self._run_piece(x[:, start:stop], state, within)
            outputs.append(y)
        return torch.cat(outputs, dim=1), state

    def record(self, x: Tensor, state: TitansContextState) -> dict[str, Record]:
        """Nothing: the memory says what it did."""
        del x, state
        return {}

    def _starts(self, place: Tensor, count: int) -> list[int]:
        """Where pieces begin, so that none reaches into another segment, of any sequence."""
        chunk = self.memory.chunk
        if torch.compiler.is_compiling() or place.device.type == "meta":  # where nothing can look at places
            return list(range(count))
        return sorted({0, *(t for p in set(place.tolist()) for t in range((chunk - p) % chunk, count, chunk))})

    def _run_piece(self, x: Tensor, state: TitansContextState, lengths: Tensor | None) -> tuple[Tensor, Any]:
        known = state.memory.memory
        before = known.memory
        if self.memory.chunk > 1:
            begins = (known.place == 0).view(-1, *[1] * (before.dim() - 1))
            before = torch.where(begins, before, known.anchor)
        query = unit_length(self.query(x).unflatten(-1, (self.heads, self.width))).transpose(1, 2)  # (B, H, T, W)
        recalled = recall(before.to(query.dtype), query).transpose(1, 2).flatten(2)  # (B, T, D)
        y, keys, values = self._attend(x, recalled, state)
        y = y if lengths is None else clear_padding(y, lengths)
        stored, memory = self.memory(y, state.memory, lengths)
        kept = [last_steps(part, self.memory.chunk - 1, lengths) for part in (keys, values)]
        return self.attention_norm(y) * torch.sigmoid(self.memory_norm(stored)), TitansContextState(memory, *kept)

    def _attend(self, x: Tensor, recalled: Tensor, state: TitansContextState) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, T, D)``, and all keys and values of the segment."""
        count, before, place = x.shape[1], self.memory.chunk - 1, state.memory.memory.place.unsqueeze(1)
        places = place + torch.arange(count, device=x.device)  # (B, T), within the segment
        q, *own = self.project(x).unflatten(-1, (3, self.heads, self.width)).unbind(2)  # (B, T, H, K) each
        _, *other = self.project(recalled).unflatten(-1, (3, self.heads, self.width)).unbind(2)
        k = torch.stack([rotate(other[0], places), rotate(own[0], places)], dim=2)  # (B, T, 2, H, K)
        v = torch.stack([other[1], own[1]], dim=2)
        keys, values = (torch.cat([old, new.to(old.dtype)], 1) for old, new in ((state.keys, k), (state.values, v)))
        seen = torch.arange(before + count, device=x.device)  # in ``keys``, where step t is at before + t
        visible = seen <= torch.arange(count, device=x.device).unsqueeze(1) + before  # (T, N)
        visible = visible & (seen >= before - place).unsqueeze(1)  # (B, T, N)
        q = rotate(q, places)
        o = attend(q, keys.flatten(1, 2), values.flatten(1, 2), visible.repeat_interleave(2, -1), self.persistent)
        return self.mix(o.flatten(2)), keys, values
