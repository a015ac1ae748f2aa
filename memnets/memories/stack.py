"""Stacks that are pushed, popped and left alone all at once (Joulin & Mikolov 2015)."""

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
class StackState(NamedTuple):
    """The state of stacks: ``stack (B, stacks, depth, width)``, the top of each first."""

    stack: Tensor


class StackMemory(Memory):
    """Stacks of vectors, each a mixture of itself pushed, popped and left alone; the tops are read.

    The interface has actions ``(stacks, 3)``, a distribution over push, pop and no-op for each stack, and values
    ``(stacks, width)``.

    Args:
        slots: depth of each stack; what is pushed out of a full stack is lost. Can be changed after training, and is
            where a model is evaluated on inputs that have more steps.
        width: numbers of a vector.
        stacks: how many.
        joint: one distribution over the actions of all stacks together, as in the public code of Deletang et al. 2022,
            and not one for each: what goes to one stack is taken from the others, so that of two none can be pushed
            wholly while the other is, and what is on them fades. For comparison with figures got so.

    Raises:
        ValueError: a size is below 1.

    Source:
        @inproceedings{joulin2015inferring, title={Inferring Algorithmic Patterns with Stack-Augmented Recurrent Nets},
        author={Joulin, Armand and Mikolov, Tomas}, booktitle={NeurIPS}, year={2015}}, section 3.
    """

    contents = ("stack",)
    sized_by_input = True

    def __init__(self, slots: int = 64, width: int = 8, stacks: int = 1, joint: bool = False):
        super().__init__()
        for name, value in {"slots": slots, "width": width, "stacks": stacks}.items():
            check_whole(name, value)
        self.slots = slots
        self.width = width
        self.stacks = stacks
        self.joint = joint
        actions = Part((3 * stacks,) if joint else (stacks, 3), "softmax")
        self.interface = Interface(values=Part((stacks, width), "sigmoid"), actions=actions)
        self.reads_size = stacks * width

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> StackState:
        """Empty stacks: zeros."""
        return StackState(torch.zeros(batch_size, self.stacks, self.slots, self.width, device=device, dtype=dtype))

    def initial_reads(self, state: StackState) -> Tensor:
        """The tops."""
        return ops.stack_top(state.stack).flatten(1)  # (B, stacks width)

    def step(self, parts: Any, state: StackState) -> tuple[Tensor, StackState]:
        """Push, pop, leave alone; read the tops."""
        actions = parts.actions.unflatten(1, (self.stacks, 3)) if self.joint else parts.actions  # (B, stacks, 3)
        state = StackState(ops.stack_step(state.stack, actions, parts.values))
        return self.initial_reads(state), state

    def record(self, parts: Any, prev_state: StackState, state: StackState) -> dict[str, Record]:
        """Actions, values, and the stacks after the step."""
        records = super().record(parts, prev_state, state)
        return {**records, "reads": Record(ops.stack_top(state.stack), "vector")}

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"slots={self.slots}, width={self.width}, stacks={self.stacks}" + ", joint" * self.joint
