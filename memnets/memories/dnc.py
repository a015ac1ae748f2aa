"""The memory of the Differentiable Neural Computer (Graves et al. 2016)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..base.checks import check_whole
from ..base.records import Record
from ..base.state_types import known_state
from .base import Memory
from .interface import Interface, Part


@known_state
class DNCState(NamedTuple):
    """The state of a DNC's memory, for N slots of width M, R read and W write heads.

    Attributes:
        memory: ``(B, N, M)``.
        usage: ``(B, N)``, from 0 (free) to 1.
        precedence: ``(B, W, N)``, which slots each head wrote last.
        links: ``(B, W, N, N)``; ``[i, j]`` is how much slot i was written right after slot j.
        read_weights: ``(B, R, N)``.
        write_weights: ``(B, W, N)``.
    """

    memory: Tensor
    usage: Tensor
    precedence: Tensor
    links: Tensor
    read_weights: Tensor
    write_weights: Tensor


class DNCMemory(Memory):
    """N slots of width M, written where they are free or by content, and read by content or in the order of writing.

    A step frees what was read, writes, brings the links up to date, and reads the new memory. Before the first step
    everything is zero. The interface has read key ``(R, M)``, write key and write vector ``(W, M)``, read strength
    ``(R,)`` and write strength ``(W,)`` of at least 1, erase ``(W, M)``, free gate ``(R,)``, allocation gate and write
    gate ``(W,)``, and read modes ``(R, 2 W + 1)``: backward along each head's links, content, forward.

    Args:
        slots: N >= 1. A step costs ``W * N^2`` for the links.
        width: M >= 1.
        read_heads: R >= 1.
        write_heads: W >= 1; the paper has one.
        masked: content is compared under a mask that each key brings along (Csordas & Schmidhuber 2019).
        deallocation: what is freed is erased, and not only marked as free (the same).
        sharpened: weightings along links are sharpened by an exponent of the controller's (the same).

    Raises:
        ValueError: a size is below 1.

    Source:
        @article{graves2016hybrid, title={Hybrid computing using a neural network with dynamic external memory},
        author={Graves, Alex and Wayne, Greg and Reynolds, Malcolm and others}, journal={Nature}, volume={538},
        year={2016}}, Methods. Options: @inproceedings{csordas2019improving, title={Improving Differentiable Neural
        Computers Through Memory Masking, De-allocation, and Link Distribution Sharpness Control}, author={Csordas,
        Robert and Schmidhuber, Juergen}, booktitle={ICLR}, year={2019}}.
    """

    contents = ("memory",)

    def __init__(
        self,
        slots: int = 128,
        width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        masked: bool = False,
        deallocation: bool = False,
        sharpened: bool = False,
    ):
        super().__init__()
        sizes = {"slots": slots, "width": width, "read_heads": read_heads, "write_heads": write_heads}
        for name, value in sizes.items():
            check_whole(name, value)
        self.slots = slots
        self.width = width
        self.read_heads = read_heads
        self.write_heads = write_heads
        self.masked = masked
        self.deallocation = deallocation
        self.sharpened = sharpened
        reads, writes = (read_heads, width), (write_heads, width)
        masks = {"read_mask": Part(reads, "sigmoid"), "write_mask": Part(writes, "sigmoid")}
        sharpness = {name: Part((read_heads,), "oneplus") for name in ("backward_sharpness", "forward_sharpness")}
        self.interface = Interface(
            read_key=Part(reads),
            write_key=Part(writes),
            write_vector=Part(writes),
            read_strength=Part((read_heads,), "oneplus"),
            write_strength=Part((write_heads,), "oneplus"),
            **(sharpness if sharpened else {}),
            erase=Part(writes, "sigmoid"),
            free_gate=Part((read_heads,), "sigmoid"),
            allocation_gate=Part((write_heads,), "sigmoid"),
            write_gate=Part((write_heads,), "sigmoid"),
            **(masks if masked else {}),
            read_modes=Part((read_heads, 2 * write_heads + 1), "softmax"),
        )
        self.reads_size = read_heads * width

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> DNCState:
        """Zeros: nothing is used, written or read yet."""
        slots, writes = self.slots, self.write_heads
        shapes = ((slots, self.width), (slots,), (writes, slots), (writes, slots, slots), (self.read_heads, slots))
        zeros = [torch.zeros(batch_size, *shape, device=device, dtype=dtype) for shape in (*shapes, (writes, slots))]
        return DNCState(*zeros)

    def initial_reads(self, state: DNCState) -> Tensor:
        """What the read weightings of ``state`` hold."""
        return ops.read(state.memory, state.read_weights).flatten(1)  # (B, R M)

    def step(self, parts: Any, state: DNCState) -> tuple[Tensor, DNCState]:
        """Free, write, link, read."""
        retention = ops.memory_retention(parts.free_gate, state.read_weights)  # psi_t (B, N)
        usage = ops.memory_usage(state.usage, state.write_weights, retention)  # u_t (B, N)
        write_weights = self._write_weights(parts, state.memory, usage)  # w^w_t (B, W, N)
        memory = ops.deallocate(state.memory, retention) if self.deallocation else state.memory
        memory = ops.write(memory, write_weights, parts.erase, parts.write_vector)  # M_t (B, N, M)
        links = ops.update_links(state.links, state.precedence, write_weights)  # L_t (B, W, N, N)
        precedence = ops.update_precedence(state.precedence, write_weights)  # p_t (B, W, N)
        read_weights = self._read_weights(parts, memory, links, state.read_weights)  # w^r_t (B, R, N)
        state = DNCState(memory, usage, precedence, links, read_weights, write_weights)
        return self.initial_reads(state), state

    def record(self, parts: Any, prev_state: DNCState, state: DNCState) -> dict[str, Record]:
        """Every part, the allocation of each write head, and the state after the step."""
        records = super().record(parts, prev_state, state)
        allocation = ops.allocation_weights_by_head(state.usage, parts.allocation_gate, parts.write_gate)
        places = {name: getattr(state, name) for name in ("usage", "precedence", "read_weights", "write_weights")}
        return {
            **records,
            **{name: Record(value, "weighting") for name, value in places.items()},
            "allocation": Record(allocation, "weighting"),
            "links": Record(state.links, "matrix"),
            "reads": Record(ops.read(state.memory, state.read_weights), "vector"),
        }

    def extra_repr(self) -> str:
        """Sizes and options, for ``print``."""
        sizes = f"slots={self.slots}, width={self.width}, read_heads={self.read_heads}, write_heads={self.write_heads}"
        return sizes + "".join(f", {name}" for name in ("masked", "deallocation", "sharpened") if getattr(self, name))

    def _write_weights(self, parts: Any, memory: Tensor, usage: Tensor) -> Tensor:
        mask = parts.write_mask if self.masked else None
        content = self._content(memory, parts.write_key, parts.write_strength, mask)
        allocation = ops.allocation_weights_by_head(usage, parts.allocation_gate, parts.write_gate)
        return ops.write_weighting(content, allocation, parts.allocation_gate, parts.write_gate)

    def _read_weights(self, parts: Any, memory: Tensor, links: Tensor, prev_read_weights: Tensor) -> Tensor:
        content = self._content(memory, parts.read_key, parts.read_strength, parts.read_mask if self.masked else None)
        backward = ops.backward_weights(links, prev_read_weights)  # (B, R, W, N)
        forward = ops.forward_weights(links, prev_read_weights)
        if self.sharpened:
            backward = ops.sharpen_links(backward, _for_each(parts.backward_sharpness, self.write_heads))
            forward = ops.sharpen_links(forward, _for_each(parts.forward_sharpness, self.write_heads))
        return ops.read_weighting(content, backward, forward, parts.read_modes)

    def _content(self, memory: Tensor, key: Tensor, strength: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return ops.content_weights(memory, key, strength)
        return ops.masked_content_weights(memory, key, strength, mask)


def _for_each(values: Tensor, write_heads: int) -> Tensor:
    """``(B, R)`` to ``(B, R, W)``."""
    return values.unsqueeze(-1).expand(-1, -1, write_heads)
