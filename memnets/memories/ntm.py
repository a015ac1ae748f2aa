"""The memory of the Neural Turing Machine (Graves et al. 2014, section 3)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..base.checks import check_number, check_whole
from ..base.records import Record
from ..base.state_types import known_state
from .base import Memory
from .interface import Interface, Part

INITIAL_VALUE = 1e-6
"""Every number of the memory before the first step (Collier & Beel 2018, section 4.1)."""


@known_state
class NTMState(NamedTuple):
    """The state of an NTM's memory: ``memory (B, N, M)``, ``read_weights (B, R, N)``, ``write_weights (B, W, N)``."""

    memory: Tensor
    read_weights: Tensor
    write_weights: Tensor


class NTMMemory(Memory):
    """N slots of width M with read and write heads that address by content and by location.

    A step addresses with all heads against the memory of the step before, writes, then reads the new memory.
    Before the first step the memory is constant (1e-6) and every head points at slot 0. The interface has, for
    H = R + W heads of which the read heads come first: key k ``(H, M)``, add a ``(W, M)``, interpolation gate g
    ``(H,)``, erase e ``(W, M)``, strength beta ``(H,)``, sharpening gamma ``(H,)`` and shift s ``(H, S)``.

    Args:
        slots: N >= 1.
        width: M >= 1.
        read_heads: R >= 1.
        write_heads: W >= 1.
        shift_range: heads may move up to this many slots a step; S = 2 * shift_range + 1.
        strength_bias: added at the start to the bias of every head's strength, before softplus: how sharply heads
            look for content from the beginning.
        gate_bias: the same for the interpolation gate, before the sigmoid: below 0, heads move from where they were
            rather than look for content.

    Raises:
        ValueError: a size is below its minimum, or a bias is not finite.

    Source:
        @article{graves2014neural, title={Neural Turing Machines}, author={Graves, Alex and Wayne, Greg and
        Danihelka, Ivo}, journal={arXiv:1410.5401}, year={2014}}, equations 2 to 9.
    """

    contents = ("memory",)

    def __init__(
        self,
        slots: int = 128,
        width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        shift_range: int = 1,
        strength_bias: float = 0.0,
        gate_bias: float = 0.0,
    ):
        super().__init__()
        least = {"slots": 1, "width": 1, "read_heads": 1, "write_heads": 1, "shift_range": 0}
        given = (slots, width, read_heads, write_heads, shift_range)
        for (name, minimum), value in zip(least.items(), given):
            check_whole(name, value, minimum)
        check_number("strength_bias", strength_bias)
        check_number("gate_bias", gate_bias)
        self.slots = slots
        self.width = width
        self.read_heads = read_heads
        self.write_heads = write_heads
        self.shift_range = shift_range
        heads = read_heads + write_heads
        self.interface = Interface(
            key=Part((heads, width), "tanh"),
            add=Part((write_heads, width), "tanh"),
            interpolation_gate=Part((heads,), "sigmoid", bias=gate_bias),
            erase=Part((write_heads, width), "sigmoid"),
            strength=Part((heads,), "softplus", bias=strength_bias),
            sharpening=Part((heads,), "oneplus"),
            shift=Part((heads, 2 * shift_range + 1), "softmax"),
        )
        self.reads_size = read_heads * width

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> NTMState:
        """A constant memory, and every head at slot 0."""
        memory = torch.full((batch_size, self.slots, self.width), INITIAL_VALUE, device=device, dtype=dtype)
        heads = self.read_heads + self.write_heads
        weights = torch.zeros(batch_size, heads, self.slots, device=device, dtype=dtype)  # (B, H, N)
        weights.select(2, 0).fill_(1)
        return NTMState(memory, weights[:, : self.read_heads], weights[:, self.read_heads :])

    def initial_reads(self, state: NTMState) -> Tensor:
        """What the read heads see where they start."""
        return ops.read(state.memory, state.read_weights).flatten(1)  # (B, R M)

    def step(self, parts: Any, state: NTMState) -> tuple[Tensor, NTMState]:
        """Address, write, read."""
        read_weights, write_weights = self.address(parts, state).split((self.read_heads, self.write_heads), dim=1)
        memory = ops.write(state.memory, write_weights, parts.erase, parts.add)
        return ops.read(memory, read_weights).flatten(1), NTMState(memory, read_weights, write_weights)

    def address(self, parts: Any, state: NTMState) -> Tensor:
        """The new weightings (B, H, N) of all heads, read heads first (equations 5 to 9)."""
        prev_weights = torch.cat([state.read_weights, state.write_weights], dim=1)
        weights = ops.content_weights(state.memory, parts.key, parts.strength)
        weights = ops.interpolate(weights, prev_weights, parts.interpolation_gate)
        weights = ops.shift_weights(weights, parts.shift)
        return ops.sharpen(weights, parts.sharpening)

    def record(self, parts: Any, prev_state: NTMState, state: NTMState) -> dict[str, Record]:
        """The heads' parameters, and memory, weightings and reads after the step."""
        records = super().record(parts, prev_state, state)
        weightings = {name: Record(getattr(state, name), "weighting") for name in ("read_weights", "write_weights")}
        reads = ops.read(state.memory, state.read_weights)  # (B, R, M)
        return {**records, **weightings, "reads": Record(reads, "vector")}

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return (
            f"slots={self.slots}, width={self.width}, read_heads={self.read_heads}, "
            f"write_heads={self.write_heads}, shift_range={self.shift_range}"
        )
