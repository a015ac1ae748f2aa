"""Fast weights written by the delta rule, driven by a controller (Schlag et al. 2021)."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import ops
from ..base.checks import check_whole
from ..base.records import Record
from ..base.state_types import known_state
from .base import Memory
from .interface import Interface, Part


@known_state
class DeltaState(NamedTuple):
    """The state of delta-rule memories: ``memory (B, heads, key_width, width)``."""

    memory: Tensor


class DeltaMemory(Memory):
    """A matrix a head in which a key of length 1 recalls a value; a step replaces what the key recalls.

    The interface has query and key ``(heads, key_width)``, which are scaled to length 1, value ``(heads, width)`` and
    writing strength beta ``(heads,)``.

    Args:
        key_width: numbers of a key.
        width: numbers of a value.
        heads: how many.

    Raises:
        ValueError: a size is below 1.

    Source:
        @inproceedings{schlag2021linear, title={Linear Transformers Are Secretly Fast Weight Programmers},
        author={Schlag, Imanol and Irie, Kazuki and Schmidhuber, Juergen}, booktitle={ICML}, year={2021}}, section 4.2.
    """

    contents = ("memory",)

    def __init__(self, key_width: int = 16, width: int = 16, heads: int = 1):
        super().__init__()
        for name, value in {"key_width": key_width, "width": width, "heads": heads}.items():
            check_whole(name, value)
        self.key_width = key_width
        self.width = width
        self.heads = heads
        self.interface = Interface(
            query=Part((heads, key_width)),
            key=Part((heads, key_width)),
            value=Part((heads, width)),
            beta=Part((heads,), "sigmoid"),
        )
        self.reads_size = heads * width

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> DeltaState:
        """Zeros."""
        return DeltaState(torch.zeros(batch_size, self.heads, self.key_width, self.width, device=device, dtype=dtype))

    def initial_reads(self, state: DeltaState) -> Tensor:
        """Zeros: nothing was asked for yet."""
        return state.memory.new_zeros(len(state.memory), self.reads_size)

    def step(self, parts: Any, state: DeltaState) -> tuple[Tensor, DeltaState]:
        """Replace what the key recalls, then recall with the query."""
        least = max(1e-12, torch.finfo(parts.key.dtype).tiny)  # 1e-12 is 0 in half precision
        query, key = F.normalize(parts.query, dim=-1, eps=least), F.normalize(parts.key, dim=-1, eps=least)
        recalled, memory = ops.delta_step(query, key, parts.value, parts.beta, state.memory)
        return recalled.flatten(1), DeltaState(memory)

    def record(self, parts: Any, prev_state: DeltaState, state: DeltaState) -> dict[str, Record]:
        """Every part, and the matrices after the step."""
        return {**super().record(parts, prev_state, state), "memory": Record(state.memory, "contents")}

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"key_width={self.key_width}, width={self.width}, heads={self.heads}"
