"""The memory of the Neural Turing Machine (Graves et al. 2014, section 3)."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import ops
from ..base.checks import check_whole
from ..base.state import NTMState
from .base import Memory

INITIAL_VALUE = 1e-6
"""Every number of the memory before the first step (Collier & Beel 2018, section 4.1)."""


class NTMHeads(NamedTuple):
    """What the heads were told at one step, after activation; H = R + W heads, the read heads first.

    Attributes:
        key: k, (B, H, M).
        strength: beta, (B, H).
        interpolation_gate: g, (B, H).
        shift: s, (B, H, S).
        sharpening: gamma, (B, H).
        erase: e, (B, W, M).
        add: a, (B, W, M).
    """

    key: Tensor
    strength: Tensor
    interpolation_gate: Tensor
    shift: Tensor
    sharpening: Tensor
    erase: Tensor
    add: Tensor


class NTMMemory(Memory):
    """N slots of width M with read and write heads that address by content and by location.

    A step addresses with all heads against the memory of the step before, writes, then reads the new memory.
    Before the first step the memory is constant (1e-6) and every head points at slot 0.

    Activations: key and add tanh; strength softplus; gate and erase sigmoid; shift softmax; sharpening
    1 + softplus.

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
        ValueError: a size is below its minimum.

    Source:
        @article{graves2014neural, title={Neural Turing Machines}, author={Graves, Alex and Wayne, Greg and
        Danihelka, Ivo}, journal={arXiv:1410.5401}, year={2014}}, equations 2 to 9.
    """

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
        for name, value in (("strength_bias", strength_bias), ("gate_bias", gate_bias)):
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}, but must be a finite number")
        self.strength_bias = strength_bias
        self.gate_bias = gate_bias
        self.slots = slots
        self.width = width
        self.read_heads = read_heads
        self.write_heads = write_heads
        self.heads = read_heads + write_heads
        self.shifts = 2 * shift_range + 1
        # One slice of the interface for each activation: tanh, sigmoid, softplus, softmax.
        self.sections = (
            self.heads * width + write_heads * width,
            self.heads + write_heads * width,
            2 * self.heads,
            self.heads * self.shifts,
        )
        self.interface_size = sum(self.sections)

    def resize(self, slots: int) -> None:
        """Change the number of slots; nothing learnt depends on it."""
        check_whole("slots", slots)
        self.slots = slots

    @torch.no_grad()
    def initialise(self, interface: nn.Linear) -> None:
        """Add the starting biases of strength and interpolation gate."""
        _, gates, positives, _ = interface.bias.split(self.sections)
        gates[: self.heads] += self.gate_bias
        positives[: self.heads] += self.strength_bias

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> NTMState:
        """Constant memory, and every weighting on slot 0."""
        shape = (batch_size, self.slots, self.width)
        try:
            memory = torch.full(shape, INITIAL_VALUE, device=device, dtype=dtype)
            weights = torch.zeros(batch_size, self.heads, self.slots, device=device, dtype=dtype)
        except RuntimeError as error:
            raise MemoryError(
                f"a memory of batch {batch_size} x {self.slots} slots x width {self.width} does not fit on "
                f"{device or 'the default device'}: use fewer slots or a smaller batch"
            ) from error
        weights[:, :, 0] = 1
        return NTMState(memory, weights[:, : self.read_heads], weights[:, self.read_heads :])

    def initial_reads(self, state: NTMState) -> Tensor:
        """What the read heads point at in ``state``, (B, R, M)."""
        return ops.read(state.memory, state.read_weights)

    def parse(self, interface: Tensor) -> NTMHeads:
        """The controller's interface vector (B, interface_size) as the heads' parameters, activated."""
        heads, writers, width = self.heads, self.write_heads, self.width
        vectors, gates, positives, shift = interface.split(self.sections, dim=-1)
        vectors = torch.tanh(vectors).unflatten(-1, (heads + writers, width))  # (B, H + W, M)
        key, add = vectors.split((heads, writers), dim=1)
        gate, erase = torch.sigmoid(gates).split((heads, writers * width), dim=-1)
        strength, sharpening = F.softplus(positives).split((heads, heads), dim=-1)
        shift = torch.softmax(shift.unflatten(-1, (heads, self.shifts)), dim=-1)  # (B, H, S)
        erase = erase.unflatten(-1, (writers, width))  # (B, W, M)
        return NTMHeads(key, strength, gate, shift, 1 + sharpening, erase, add)

    def address(self, heads: NTMHeads, state: NTMState) -> Tensor:
        """The new weightings (B, H, N) of all heads, read heads first (equations 5 to 9)."""
        prev_weights = torch.cat([state.read_weights, state.write_weights], dim=1)
        weights = ops.content_weights(state.memory, heads.key, heads.strength)
        weights = ops.interpolate(weights, prev_weights, heads.interpolation_gate)
        weights = ops.shift_weights(weights, heads.shift)
        return ops.sharpen(weights, heads.sharpening)

    def forward(self, interface: Tensor, state: NTMState) -> tuple[Tensor, NTMState]:
        """One access step: address, write, read.

        Under autocast the memory works in the precision of its state, since weightings lose too much in bf16.

        Args:
            interface: ``(B, interface_size)``, the controller's emission before activation.
            state: the memory and weightings of the step before.

        Returns:
            The vectors read ``(B, R, M)``, and the new state.
        """
        device = interface.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):  # not so on 'meta'
            with torch.autocast(device, enabled=False):
                return self.step(interface.to(state.memory.dtype), state)
        return self.step(interface, state)

    def step(self, interface: Tensor, state: NTMState) -> tuple[Tensor, NTMState]:
        """``forward`` without the regard to autocast."""
        heads = self.parse(interface)
        read_weights, write_weights = self.address(heads, state).split((self.read_heads, self.write_heads), dim=1)
        memory = ops.write(state.memory, write_weights, heads.erase, heads.add)
        return ops.read(memory, read_weights), NTMState(memory, read_weights, write_weights)

    def describe(self, interface: Tensor, state: NTMState) -> dict[str, Tensor]:
        """The heads' parameters, and the memory and weightings after the step."""
        heads = self.parse(interface.to(state.memory.dtype))
        return {**heads._asdict(), **state._asdict()}

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return (
            f"slots={self.slots}, width={self.width}, read_heads={self.read_heads}, "
            f"write_heads={self.write_heads}, shift_range={self.shifts // 2}"
        )
