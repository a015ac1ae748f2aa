"""A tape that is written and moved over all at once (Deletang et al. 2022)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..base.checks import check_whole
from ..base.records import Record
from ..base.state_types import known_state
from ..ops.tape import MOVES
from .base import Memory
from .interface import Interface, Part


@known_state
class TapeState(NamedTuple):
    """The state of tapes.

    Attributes:
        tape: ``(B, tapes, N, M)``, a ring, with the head at index 0.
        given: ``(B,)``, how many steps of input there were so far: how far a jump goes.
    """

    tape: Tensor
    given: Tensor


class TapeMemory(Memory):
    """Tapes whose heads replace what is under them at each step, and move a cell or jump by the length of the input.

    The interface has values ``(tapes, width)`` and moves ``(tapes, 5)``, a distribution over stay, left, right, jump
    left and jump right for each tape. How far a jump goes is counted: the steps so far whose input is not empty, this
    one included. From the end of the input on that is its length, as in the paper; before, where the paper jumps by a
    length that is still to come, it is what has come. A sequence may so be fed in parts, and no length handed in.

    Args:
        slots: N, cells of each tape. Can be changed after training, and is where a model is evaluated on inputs that
            have more steps.
        width: M, numbers of a cell.
        tapes: how many.
        empty_channel: number of the input that is 1 at steps without input and 0 elsewhere, in which the answer is
            given; -1 is the last, as in the tasks of formal languages. None counts all steps.

    Raises:
        ValueError: a size is below 1; at a step, the input has no such channel.

    Source:
        @inproceedings{deletang2023neural, title={Neural Networks and the Chomsky Hierarchy}, author={Deletang,
        Gregoire and others}, booktitle={ICLR}, year={2023}}, arXiv:2207.02098, appendix A, with one linear layer where
        the paper's code has several to make the values.
    """

    contents = ("tape",)
    sized_by_input = True

    def __init__(self, slots: int = 256, width: int = 8, tapes: int = 1, empty_channel: int | None = None):
        super().__init__()
        for name, value in {"slots": slots, "width": width, "tapes": tapes}.items():
            check_whole(name, value)
        self.slots = slots
        self.width = width
        self.tapes = tapes
        self.empty_channel = empty_channel
        self.interface = Interface(values=Part((tapes, width)), moves=Part((tapes, MOVES), "softmax"))
        self.reads_size = tapes * width

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> TapeState:
        """Empty tapes: zeros; nothing was given yet."""
        options: Any = {"device": device, "dtype": dtype}
        tape = torch.zeros(batch_size, self.tapes, self.slots, self.width, **options)
        counts = torch.promote_types(tape.dtype, torch.float32)  # half precision stops counting at 256 or 2,048
        return TapeState(tape, torch.zeros(batch_size, device=device, dtype=counts))

    def initial_reads(self, state: TapeState) -> Tensor:
        """What is under the heads."""
        return ops.tape_read(state.tape).flatten(1)  # (B, tapes M)

    def observe(self, x: Tensor, state: TapeState) -> TapeState:
        """Count a step of input."""
        if self.empty_channel is None:
            return state._replace(given=state.given + 1)
        if not -x.shape[-1] <= self.empty_channel < x.shape[-1]:
            raise ValueError(
                f"empty_channel is {self.empty_channel}, but the input has {x.shape[-1]} channels: use -1 for the "
                "last, or None to count all steps"
            )
        empty = x[:, self.empty_channel].to(state.given.dtype)  # (B,)
        return state._replace(given=state.given + (empty <= 0.5).to(empty.dtype))

    def step(self, parts: Any, state: TapeState) -> tuple[Tensor, TapeState]:
        """Write, move; read what is then under the heads."""
        state = state._replace(tape=ops.tape_step(state.tape, parts.moves, parts.values, state.given))
        return self.initial_reads(state), state

    def record(self, parts: Any, prev_state: TapeState, state: TapeState) -> dict[str, Record]:
        """Moves, values, the tapes after the step as seen from the heads, and how far a jump went."""
        records = super().record(parts, prev_state, state)
        return {**records, "reads": Record(ops.tape_read(state.tape), "vector")}

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"slots={self.slots}, width={self.width}, tapes={self.tapes}, empty_channel={self.empty_channel}"
