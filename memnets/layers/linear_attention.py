"""Linear attention as a layer: a memory to which every step adds, read by a query."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.checks import check_whole
from ..base.records import Record, stack_steps
from ..base.segments import clear_padding
from ..base.state_types import known_state
from ..ops import DELTA_CHUNK, linear_attention
from .base import Layer

DIVISOR_EPSILON = 1e-6
"""Added to the sum of similarities by which values are divided."""


@known_state
class LinearAttentionState(NamedTuple):
    """What linear attention carries; of a model of L layers with L after B.

    Attributes:
        memory: ``(B, H, K, V + 1)``, the sum of keys times values; its last column sums the keys alone.
    """

    memory: Tensor


class LinearAttentionLayer(Layer):
    """Attention whose similarity is a product of features: ``o = phi(q) S / (phi(q) z)``, ``phi(x) = elu(x) + 1``.

    Equations 10 to 12 and 18 to 20 of the paper: S sums ``phi(k) v``, z sums ``phi(k)``.

    Args:
        hidden_size: D.
        heads: H.
        chunk: steps to compute at once; None takes them one by one.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        Katharopoulos, Vyas, Pappas & Fleuret 2020, Transformers are RNNs, arXiv:2006.16236.
    """

    def __init__(self, hidden_size: int, heads: int = 4, *, chunk: int | None = DELTA_CHUNK):
        super().__init__(hidden_size, heads)
        if chunk is not None:
            check_whole("chunk", chunk)
        self.chunk = chunk
        self.project = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.mix = nn.Linear(hidden_size, hidden_size, bias=False)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> LinearAttentionState:
        """Nothing added yet."""
        return LinearAttentionState(
            self.zeros(batch_size, self.heads, self.width, self.width + 1, device=device, dtype=dtype)
        )

    def run(
        self, x: Tensor, state: LinearAttentionState, lengths: Tensor | None
    ) -> tuple[Tensor, LinearAttentionState]:
        """The layer over ``x (B, T, D)``."""
        q, k, v = self._parts(x, state)  # (B, T, H, K) each
        if lengths is not None:  # past its end a sequence adds nothing
            k = clear_padding(k.flatten(2), lengths).view_as(k)
        v = F.pad(v, (0, 1), value=1.0)  # the column of ones sums the keys
        o, memory = linear_attention(q, k, v, state.memory, self.chunk)
        o = o[..., :-1] / (o[..., -1:] + DIVISOR_EPSILON)
        return self.mix(o.flatten(2)), LinearAttentionState(memory.to(state.memory.dtype))

    def record(self, x: Tensor, state: LinearAttentionState) -> dict[str, Record]:
        """What is added under which key, what is asked for, and the memory after each step."""
        q, k, v = self._parts(x, state)
        memory = stack_steps([after.memory[..., :-1] for after in self.states(x, state)])
        vectors = {"key": k, "value": v, "query": q}
        return {**{n: Record(value, "vector") for n, value in vectors.items()}, "memory": Record(memory, "contents")}

    def _parts(self, x: Tensor, state: LinearAttentionState) -> tuple[Tensor, Tensor, Tensor]:
        """phi(q), phi(k) and v."""
        projected = self.project(x).to(state.memory.dtype).unflatten(-1, (3, self.heads, self.width))
        q, k, v = projected.unbind(2)
        return F.elu(q) + 1, F.elu(k) + 1, v
