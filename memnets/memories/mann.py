"""The memory of "One-shot Learning with Memory-Augmented Neural Networks" (Santoro et al. 2016)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..base.checks import check_whole
from ..base.modes import check_share
from ..base.records import Record
from ..base.state_types import known_state
from .base import Memory
from .interface import Interface, Part

INITIAL_VALUE = 1e-6
"""Every number of the memory before the first step."""

SPREAD = 0.01
"""Usage of the last slot before the first step; slots before it have less, so that they are taken in order."""


@known_state
class MANNState(NamedTuple):
    """The state of a MANN's memory: ``memory (B, N, M)``, ``usage (B, N)``, ``read_weights (B, R, N)``."""

    memory: Tensor
    usage: Tensor
    read_weights: Tensor


class MANNMemory(Memory):
    """N slots of width M, written where they were read last or are used least, and read by content (LRUA).

    A step clears the least used slot of each head, writes, and reads the new memory. Before the first step the memory
    is constant (1e-6), nothing was read, and the slots are taken in order. The interface has keys ``(R, M)`` and write
    gates sigma(alpha) ``(R,)``: 1 writes where the head read last, 0 to its least used slot; and what the options add.

    Args:
        slots: N >= the read heads. Can be changed after training.
        width: M >= 1.
        read_heads: R >= 1, each of which writes too.
        decay: gamma of the usage, within 0..1; the paper does not say which.
        values: what is written are vectors of their own ``(R, M)`` and not the keys, which the paper writes; public
            codes do either.
        strength: reading is sharpened by a strength ``(R,)`` of at least 1, as in other memories; equation 2 has none,
            and weights over many slots are then never far apart.
        shared: every head writes to all of the R least used slots, as equation 7 has it, and not to one of its own.

    Raises:
        ValueError: a size is below 1, there are fewer slots than heads, or ``decay`` lies outside 0..1.

    Source:
        @inproceedings{santoro2016meta, title={Meta-Learning with Memory-Augmented Neural Networks}, author={Santoro,
        Adam and Bartunov, Sergey and Botvinick, Matthew and Wierstra, Daan and Lillicrap, Timothy}, booktitle={ICML},
        year={2016}}, arXiv:1605.06065, section 3.
    """

    contents = ("memory",)

    def __init__(
        self,
        slots: int = 128,
        width: int = 40,
        read_heads: int = 4,
        decay: float = 0.99,
        values: bool = False,
        strength: bool = False,
        shared: bool = False,
    ):
        super().__init__()
        for name, value in {"width": width, "read_heads": read_heads}.items():
            check_whole(name, value)
        check_whole("slots", slots, read_heads)
        check_share("decay", decay)
        self.slots = slots
        self.width = width
        self.read_heads = read_heads
        self.decay = decay
        self.values = values
        self.strength = strength
        self.shared = shared
        self.interface = Interface(
            key=Part((read_heads, width), "tanh"),
            **({"value": Part((read_heads, width), "tanh")} if values else {}),
            write_gate=Part((read_heads,), "sigmoid"),
            **({"strength": Part((read_heads,), "oneplus")} if strength else {}),
        )
        self.reads_size = read_heads * width

    def resize(self, slots: int) -> None:
        """Change the number of slots. Raises ValueError where there would be fewer than heads."""
        check_whole("slots", slots, self.read_heads)
        self.slots = slots

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> MANNState:
        """A constant memory, the first slot the least used."""
        options: Any = {"device": device, "dtype": dtype}
        memory = torch.full((batch_size, self.slots, self.width), INITIAL_VALUE, **options)
        usage = torch.linspace(0, SPREAD, self.slots, **options).repeat(batch_size, 1)  # (B, N)
        return MANNState(memory, usage, torch.zeros(batch_size, self.read_heads, self.slots, **options))

    def initial_reads(self, state: MANNState) -> Tensor:
        """What the read weightings of ``state`` hold."""
        return ops.read(state.memory, state.read_weights).flatten(1)  # (B, R M)

    def step(self, parts: Any, state: MANNState) -> tuple[Tensor, MANNState]:
        """Clear and write, read."""
        least_used = ops.least_used_weights(state.usage, self.read_heads)  # w^lu_{t-1} (B, R, N)
        write_weights = self._write_weights(parts.write_gate, state.read_weights, least_used)  # w^w_t (B, R, N)
        memory = state.memory * (1 - least_used.sum(1)).unsqueeze(-1)
        written = parts.value if self.values else parts.key
        memory = torch.baddbmm(memory, write_weights.transpose(1, 2), written)  # M_t (B, N, M)
        strength = parts.strength if self.strength else torch.ones_like(parts.write_gate)
        read_weights = ops.content_weights(memory, parts.key, strength)  # w^r_t (B, R, N)
        usage = ops.decayed_usage(state.usage, read_weights, write_weights, self.decay)
        state = MANNState(memory, usage, read_weights)
        return self.initial_reads(state), state

    def record(self, parts: Any, prev_state: MANNState, state: MANNState) -> dict[str, Record]:
        """Every part, the weightings, the usage and the memory after the step."""
        least_used = ops.least_used_weights(prev_state.usage, self.read_heads)
        write_weights = self._write_weights(parts.write_gate, prev_state.read_weights, least_used)
        return {
            **super().record(parts, prev_state, state),
            "read_weights": Record(state.read_weights, "weighting"),
            "write_weights": Record(write_weights, "weighting"),
            "usage": Record(state.usage, "weighting"),
            "reads": Record(ops.read(state.memory, state.read_weights), "vector"),
        }

    def extra_repr(self) -> str:
        """Sizes and options, for ``print``."""
        sizes = f"slots={self.slots}, width={self.width}, read_heads={self.read_heads}, decay={self.decay}"
        return sizes + "".join(f", {name}" for name in ("values", "strength", "shared") if getattr(self, name))

    def _write_weights(self, gate: Tensor, prev_read_weights: Tensor, least_used: Tensor) -> Tensor:
        """``w^w_t = sigma(alpha) w^r_{t-1} + (1 - sigma(alpha)) w^lu_{t-1}`` (equation 7)."""
        if self.shared:
            least_used = least_used.sum(1, keepdim=True)
        return torch.lerp(least_used.expand_as(prev_read_weights), prev_read_weights, gate.unsqueeze(-1))
