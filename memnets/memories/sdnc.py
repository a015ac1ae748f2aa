"""Sparse differentiable neural computer (Rae et al. 2016, appendix D)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..base.checks import check_whole
from ..base.records import Record
from ..base.state_types import known_state
from .interface import Interface, Part
from .sam import SAMMemory, check_slots


@known_state
class SDNCState(NamedTuple):
    """The state of a sparse DNC, for N slots of width M, H heads of K slots each, and L links a slot.

    Attributes:
        memory: as the next ones, of :class:`SAMState`; ``(B, N, M)``.
        last_access: ``(B, N)``, int64.
        read_index: ``(B, H, 3 K)``, int64: slots found backward along the links, by content, and forward.
        read_weights: ``(B, H, 3 K)``.
        time: ``(B,)``, int64.
        used: ``(B,)``, int64.
        precedence_index: ``(B, H, L)``, int64, the slots that each head wrote last.
        precedence: ``(B, H, L)``, by how much.
        back_index: ``(B, H, N, L)``, int64, for each slot those that were written right before it.
        back_weights: ``(B, H, N, L)``, by how much.
        on_index: ``(B, H, N, L)``, int64, for each slot those that were written right after it.
        on_weights: ``(B, H, N, L)``, by how much.
    """

    memory: Tensor
    last_access: Tensor
    read_index: Tensor
    read_weights: Tensor
    time: Tensor
    used: Tensor
    precedence_index: Tensor
    precedence: Tensor
    back_index: Tensor
    back_weights: Tensor
    on_index: Tensor
    on_weights: Tensor

    def check_values(self) -> None:
        """Raise ValueError where slots are named that are not there."""
        check_slots(self, "read_index", "precedence_index", "back_index", "on_index")


class SDNCMemory(SAMMemory):
    """A sparse access memory that remembers in which order its slots were written, as a DNC does.

    Writing, search and usage are those of :class:`SAMMemory`. Each head links the slots that it writes to those that it
    wrote right before, L links a slot, and reads a mixture of three: K slots backward along the links from where it
    read last, K by content, and K forward. The interface has beside that of :class:`SAMMemory` the mixture,
    ``read_modes (H, 3)``.

    Over a sequence the memory is changed in place; the links are not, so that a step copies N L of them.

    Args:
        slots: N. Can be changed after training.
        width: M.
        heads: H, each of which reads and writes, with links of its own.
        nonzero: K, slots that a head reads in each of the three ways.
        links: L, kept for each slot in each direction (the paper's K_L).

    Raises:
        ValueError: a size is below 1, or there are fewer slots than heads or than ``nonzero``.

    Source:
        Rae et al. 2016: see :class:`memnets.SAMMemory`; appendix D for the links, with one set of them a head.
    """

    def __init__(self, slots: int = 1024, width: int = 32, heads: int = 4, nonzero: int = 4, links: int = 8):
        super().__init__(slots, width, heads, nonzero)
        check_whole("links", links)
        self.links = links
        self.interface = Interface(**self.interface.parts, read_modes=Part((heads, 3), "softmax"))

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> SDNCState:
        """That of a sparse access memory, and nothing written yet."""
        sam = super().initial_state(batch_size, device=device, dtype=dtype)
        weights = torch.zeros(batch_size, self.heads, self.slots, self.links, device=device, dtype=dtype)
        index = torch.zeros(weights.shape, device=device, dtype=torch.long)
        return SDNCState(
            memory=sam.memory,
            last_access=sam.last_access,
            read_index=sam.read_index.repeat(1, 1, 3),
            read_weights=sam.read_weights.repeat(1, 1, 3),
            time=sam.time,
            used=sam.used,
            precedence_index=index[:, :, 0].clone(),
            precedence=weights[:, :, 0].clone(),
            back_index=index,
            back_weights=weights,
            on_index=index.clone(),
            on_weights=weights.clone(),
        )

    def find_reads(
        self, slots: Any, parts: Any, state: SDNCState, written: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """Backward and forward along the links, and by content, each by its share."""
        last = state.precedence_index, state.precedence
        back, on = (state.back_index, state.back_weights), (state.on_index, state.on_weights)
        on = ops.link_on(on, back, written, weights, *last)
        back = ops.link_back(back, written, weights, *last)
        last = ops.sparse_precedence(*last, written, weights)
        before = ops.follow_links(back, state.read_index, state.read_weights, self.nonzero)
        after = ops.follow_links(on, state.read_index, state.read_weights, self.nonzero)
        read_index = torch.cat([before[0], slots.most_similar(parts.key, self.nonzero), after[0]], dim=-1)
        rows = slots.rows(read_index)  # (B, H, 3 K, M)
        content = ops.row_weights(rows.narrow(2, self.nonzero, self.nonzero), parts.key, parts.strength)
        each = torch.stack([before[1], content, after[1]], dim=2)  # (B, H, 3, K)
        read_weights = (parts.read_modes.unsqueeze(-1) * each).flatten(2)
        names = "precedence_index", "precedence", "back_index", "back_weights", "on_index", "on_weights"
        return read_index, read_weights, rows, dict(zip(names, (*last, *back, *on)))

    def record(self, parts: Any, prev_state: Any, state: Any) -> dict[str, Record]:
        """That of a sparse access memory, with where each head wrote last, over all slots."""
        records = super().record(parts, prev_state, state)
        for name in ("precedence_index", "back_index", "back_weights", "on_index", "on_weights"):
            del records[name]
        zeros = state.memory.new_zeros(len(state.time), self.heads, self.slots)
        last = zeros.scatter_add(-1, state.precedence_index, state.precedence)
        return {**records, "precedence": Record(last, "weighting")}

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"{super().extra_repr()}, links={self.links}"
