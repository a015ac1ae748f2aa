"""Stacks and queues of continuous pushes and pops (Grefenstette et al. 2015)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..base.checks import check_whole
from ..base.modes import check_choice
from ..base.records import Record
from ..base.state_types import known_state
from .base import Memory
from .interface import Interface, Part


@known_state
class NeuralStackState(NamedTuple):
    """The state of neural stacks and queues.

    Attributes:
        values: ``(B, stacks, depth, width)``, the newest first.
        strengths: ``(B, stacks, depth)``, how much of each is left, from 0 to 1.
    """

    values: Tensor
    strengths: Tensor


class NeuralStackMemory(Memory):
    """Vectors that are pushed by some strength, popped by some strength, and read until the strength comes to 1.

    A step pops, then pushes, then reads: of a stack (the stratification stack) from the newest on, of a queue from the
    oldest on. The interface has values ``(stacks, width)``, and push and pop ``(stacks,)``.

    Args:
        slots: depth of each; what is pushed out of a full one is lost. A step pushes always, if by little, so that it
            takes as many as there are steps: evaluation gives it so many. Can be changed after training.
        width: numbers of a vector.
        stacks: how many.
        kind: "stack" or "queue". (The paper's deque is one of both, with a push and a pop at either end.)

    Raises:
        ValueError: a size is below 1, or an unknown kind.

    Source:
        @inproceedings{grefenstette2015learning, title={Learning to Transduce with Unbounded Memory},
        author={Grefenstette, Edward and Hermann, Karl Moritz and Suleyman, Mustafa and Blunsom, Phil},
        booktitle={NeurIPS}, year={2015}}, arXiv:1506.02516, sections 3.1 and 3.2.
    """

    contents = ("values",)
    sized_by_input = True

    def __init__(self, slots: int = 64, width: int = 8, stacks: int = 1, kind: str = "stack"):
        super().__init__()
        for name, value in {"slots": slots, "width": width, "stacks": stacks}.items():
            check_whole(name, value)
        check_choice("kind", kind, ("stack", "queue"))
        self.slots = slots
        self.width = width
        self.stacks = stacks
        self.kind = kind
        self.interface = Interface(
            values=Part((stacks, width), "tanh"),
            push=Part((stacks,), "sigmoid"),
            pop=Part((stacks,), "sigmoid", bias=-1.0),
        )
        self.reads_size = stacks * width

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> NeuralStackState:
        """Nothing, of no strength."""
        values = torch.zeros(batch_size, self.stacks, self.slots, self.width, device=device, dtype=dtype)
        return NeuralStackState(values, torch.zeros_like(values[..., 0]))

    def initial_reads(self, state: NeuralStackState) -> Tensor:
        """The values at the end that is read, to a strength of 1."""
        read = ops.neural_stack_read if self.kind == "stack" else ops.neural_queue_read
        return read(*state).flatten(1)  # (B, stacks width)

    def step(self, parts: Any, state: NeuralStackState) -> tuple[Tensor, NeuralStackState]:
        """Pop, push, read."""
        change = ops.neural_stack_step if self.kind == "stack" else ops.neural_queue_step
        state = NeuralStackState(*change(*state, parts.values, parts.push, parts.pop))
        return self.initial_reads(state), state

    def record(self, parts: Any, prev_state: NeuralStackState, state: NeuralStackState) -> dict[str, Record]:
        """Pushes, pops and values, what there is after the step, and what was read of it."""
        records = super().record(parts, prev_state, state)
        reads = self.initial_reads(state).unflatten(1, (self.stacks, self.width))
        return {**records, "strengths": Record(state.strengths, "weighting"), "reads": Record(reads, "vector")}

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"slots={self.slots}, width={self.width}, stacks={self.stacks}, kind={self.kind}"
