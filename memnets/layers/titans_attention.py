"""Titans with attention: a neural memory beside a window of attention, or below it."""

from typing import Any, NamedTuple, TypedDict, Unpack

import torch
from torch import Tensor, nn

from ..base.records import Record
from ..base.state_types import known_state
from .base import Layer
from .gated_output import NORM_EPSILON
from .titans import TitansLayer, TitansState
from .window_attention import WindowAttentionLayer, WindowState

PLACES = ("gate", "layer")


class NeuralMemoryOptions(TypedDict, total=False):
    """The arguments of :class:`TitansLayer` beside its sizes."""

    depth: int
    chunk: int
    window: int
    momentum: bool
    decay: bool
    convolution: int
    parallel: bool


@known_state
class TitansAttentionState(NamedTuple):
    """The states of the neural memory and of the attention."""

    memory: TitansState
    attention: WindowState


class TitansAttentionLayer(Layer):
    """A neural memory for what is long past, and attention to the last few steps.

    As a gate (MAG, equations 26 to 28) both see x, and what they put out is multiplied, after a norm each and a sigmoid
    on the memory's; as a layer (MAL, equations 29 to 31) attention sees what the memory puts out.

    Args:
        hidden_size: D.
        heads: H.
        place: "gate" or "layer".
        attention_window: steps that attention sees.
        persistent: learned vectors that it sees beside them.
        options: those of :class:`TitansLayer`: ``depth``, ``chunk``, ``window``, ``momentum``, ``decay``,
            ``convolution``, ``parallel``.

    Raises:
        ValueError: a size below its minimum, or an unknown place.

    Source:
        Behrouz, Zhong & Mirrokni 2024, Titans, arXiv:2501.00663, sections 4.2 and 4.3. The memory does not see the
        learned vectors here.
    """

    def __init__(
        self,
        hidden_size: int,
        heads: int = 4,
        *,
        place: str = "gate",
        attention_window: int = 32,
        persistent: int = 4,
        **options: Unpack[NeuralMemoryOptions],
    ):
        super().__init__(hidden_size, heads)
        if place not in PLACES:
            raise ValueError(f"attention is {place!r}, but must be one of none, context, {', '.join(PLACES)}")
        self.place = place
        self.memory = TitansLayer(hidden_size, heads, **options)
        self.attention = WindowAttentionLayer(hidden_size, heads, window=attention_window, persistent=persistent)
        self.memory_norm = nn.RMSNorm(hidden_size, eps=NORM_EPSILON) if place == "gate" else None
        self.attention_norm = nn.RMSNorm(hidden_size, eps=NORM_EPSILON) if place == "gate" else None

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> TitansAttentionState:
        """Those of both."""
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        memory = self.memory.initial_state(batch_size, **options)
        return TitansAttentionState(memory, self.attention.initial_state(batch_size, **options))

    def run(self, x: Tensor, state: TitansAttentionState, lengths: Tensor | None) -> tuple[Tensor, Any]:
        """The layer over ``x (B, T, D)``."""
        recalled, memory = self.memory(x, state.memory, lengths)
        if self.memory_norm is None or self.attention_norm is None:
            y, attention = self.attention(recalled, state.attention, lengths)
            return y, TitansAttentionState(memory, attention)
        y, attention = self.attention(x, state.attention, lengths)
        return self.attention_norm(y) * torch.sigmoid(self.memory_norm(recalled)), TitansAttentionState(
            memory, attention
        )

    def record(self, x: Tensor, state: TitansAttentionState) -> dict[str, Record]:
        """Nothing: the memory and the attention say what they did."""
        del x, state
        return {}
