"""Sparse access memory (Rae et al. 2016)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..base.checks import check_whole
from ..base.records import Record
from ..base.state_types import known_state
from .base import Memory
from .interface import Interface, Part
from .sparse_slots import Slots, SlotsInPlace


@known_state
class SAMState(NamedTuple):
    """The state of a sparse access memory, for N slots of width M and H heads of K slots each.

    Attributes:
        memory: ``(B, N, M)``.
        last_access: ``(B, N)``, int64, the step at which each slot was last read or written; below 0 before.
        read_index: ``(B, H, K)``, int64, the slots that were read last.
        read_weights: ``(B, H, K)``, by how much.
        time: ``(B,)``, int64, steps so far.
        used: ``(B,)``, int64, how many of the slots, from the first on, a head has come to. All others count as zero
            and as never accessed, whatever stands there.
    """

    memory: Tensor
    last_access: Tensor
    read_index: Tensor
    read_weights: Tensor
    time: Tensor
    used: Tensor

    def check_values(self) -> None:
        """Raise ValueError where slots are named that are not there."""
        check_slots(self, "read_index")


def check_slots(state: Any, *names: str) -> None:
    """Raise ValueError unless the slots of those tensors of a state, and how many were used, are there."""
    slots = state.memory.shape[1]
    for name, most in (*((name, slots - 1) for name in names), ("used", slots)):
        values = getattr(state, name)
        for bad in (int(values.min()), int(values.max())):
            if not 0 <= bad <= most:
                raise ValueError(f"state.{name} holds {bad}, but must lie within 0..{most}, as of {slots} slots")


class SAMMemory(Memory):
    """N slots of width M, of which a head reads K and writes K + 1 at a step, whatever N is.

    A step clears each head's least recently used slot, writes there and where the head read last, and reads the new
    memory by content: the K most similar slots, by exact search, have all of the weight. Before the first step the
    memory is zero. The interface has for each head a key and a value ``(H, M)``, strength of at least 1, write gate and
    interpolation gate ``(H,)``.

    Over a sequence, the memory is changed in place, and what is kept for the way back are the rows that were read: see
    :mod:`memnets.memories.sparse_slots`. The plain step, which makes a new memory, gives the same.

    Args:
        slots: N. Can be changed after training.
        width: M.
        heads: H, each of which reads and writes.
        nonzero: K, slots that a head reads.

    Raises:
        ValueError: a size is below 1, or there are fewer slots than heads or than ``nonzero``.

    Source:
        @inproceedings{rae2016scaling, title={Scaling Memory-Augmented Neural Networks with Sparse Reads and Writes},
        author={Rae, Jack W. and Hunt, Jonathan J. and Danihelka, Ivo and others}, booktitle={NIPS}, year={2016}},
        arXiv:1610.09027, section 3, with exact search in place of the paper's approximate one.
    """

    in_place = True
    """:class:`memnets.Recurrent` runs it in place, where nothing forbids that."""

    def __init__(self, slots: int = 1024, width: int = 32, heads: int = 4, nonzero: int = 4):
        super().__init__()
        for name, value in {"width": width, "heads": heads, "nonzero": nonzero}.items():
            check_whole(name, value)
        check_whole("slots", slots, max(heads, nonzero))
        self.slots = slots
        self.width = width
        self.heads = heads
        self.nonzero = nonzero
        self.interface = Interface(
            key=Part((heads, width)),
            value=Part((heads, width), "tanh"),
            strength=Part((heads,), "oneplus"),
            write_gate=Part((heads,), "sigmoid"),
            interpolation_gate=Part((heads,), "sigmoid"),
        )
        self.reads_size = heads * width

    def resize(self, slots: int) -> None:
        """Change the number of slots. Raises ValueError where there would be fewer than a step needs."""
        check_whole("slots", slots, max(self.heads, self.nonzero))
        self.slots = slots

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """Zeros, and slots that are taken in order; the heads look at the first ones, with no weight."""
        zero = torch.zeros(batch_size, 1, 1, device=device, dtype=dtype)
        memory = zero.expand(-1, self.slots, self.width)  # (B, N, M), of a million slots no more than one number
        order = torch.arange(-self.slots, 0, device=device).repeat(batch_size, 1)  # (B, N)
        read_index = torch.arange(self.nonzero, device=device).repeat(batch_size, self.heads, 1)  # (B, H, K)
        none = torch.zeros(batch_size, dtype=torch.long, device=device)
        return SAMState(memory, order, read_index, memory.new_zeros(read_index.shape), none, none + self.nonzero)

    def initial_reads(self, state: Any) -> Tensor:
        """What was read last."""
        rows = ops.take_rows(state.memory, state.read_index)
        return ops.read_rows(rows, state.read_weights).flatten(1)  # (B, H M)

    def step(self, parts: Any, state: Any) -> tuple[Tensor, Any]:
        """Clear and write, search, read; the state's memory may be one that is changed in place."""
        given: Any = state.memory
        slots = given if isinstance(given, SlotsInPlace) else Slots.of(state.memory, state.last_access, state.used)
        cleared = slots.least_recent(self.heads)  # (B, H)
        index, weights = ops.sparse_write_weights(
            parts.write_gate, parts.interpolation_gate, state.read_weights, cleared, state.read_index
        )
        slots = slots.write(cleared, index, weights, parts.value)
        read_index, read_weights, rows, links = self.find_reads(slots, parts, state, index, weights)
        touched = torch.cat([index, read_index], dim=-1).flatten(1)  # (B, H (2 K + 1))
        slots = slots.access(state.time, touched, torch.cat([weights, read_weights], dim=-1).flatten(1))
        used = torch.maximum(state.used, touched.amax(1) + 1)
        memory: Any = given
        last_access = state.last_access
        if isinstance(slots, Slots):
            memory, last_access = slots.memory, slots.last_access
        state = state._replace(
            memory=memory,
            last_access=last_access,
            read_index=read_index,
            read_weights=read_weights,
            time=state.time + 1,
            used=used,
            **links,
        )
        return ops.read_rows(rows, read_weights).flatten(1), state

    def find_reads(
        self, slots: Any, parts: Any, state: Any, written: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """Where each head reads: here by content alone.

        Args:
            slots: after the write.
            parts: the interface's.
            state: before the step.
            written: slots, ``(B, H, K + 1)``.
            weights: by which they were written.

        Returns:
            Slots ``(B, H, K)``, their weights, what they hold ``(B, H, K, M)``, and what else of the state changes.
        """
        del state, written, weights
        index = slots.most_similar(parts.key, self.nonzero)
        rows = slots.rows(index)
        return index, ops.row_weights(rows, parts.key, parts.strength), rows, {}

    def record(self, parts: Any, prev_state: Any, state: Any) -> dict[str, Record]:
        """Every part, weightings over all slots, what was read, and the memory after the step."""
        cleared = ops.least_recent(prev_state.last_access, self.heads)
        index, weights = ops.sparse_write_weights(
            parts.write_gate, parts.interpolation_gate, prev_state.read_weights, cleared, prev_state.read_index
        )
        records = super().record(parts, prev_state, state)
        for name in ("read_index", "last_access", "time", "used"):
            del records[name]
        zeros = state.memory.new_zeros(len(index), self.heads, self.slots)
        return {
            **records,
            "memory": Record(state.memory, "contents"),
            "read_weights": Record(zeros.scatter_add(-1, state.read_index, state.read_weights), "weighting"),
            "write_weights": Record(zeros.scatter_add(-1, index, weights), "weighting"),
            "reads": Record(self.initial_reads(state).unflatten(1, (self.heads, self.width)), "vector"),
        }

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"slots={self.slots}, width={self.width}, heads={self.heads}, nonzero={self.nonzero}"
