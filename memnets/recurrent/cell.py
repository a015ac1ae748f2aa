"""A controller and a memory as one recurrent cell."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..base.checks import check_whole, place_of
from ..base.errors import lacks_memory
from ..base.state_types import known_state
from ..controllers import Controller, make_controller
from ..memories.base import Memory
from .learned_start import LearnedStart

MakeController = str | Callable[[int], Controller]
"""A controller by name, or what makes one for a number of inputs."""


@known_state
class CellState(NamedTuple):
    """The state of a MemoryCell: its controller's, its memory's, and ``reads (B, reads_size)``, the last ones."""

    controller: Any
    memory: Any
    reads: Tensor


class MemoryCell(nn.Module):
    """One step of a memory-augmented network: controller, projection to the interface, memory.

    The controller sees the input and what was read at the step before; what it emits is projected to the memory's
    interface; the cell's output is ``[h, reads]``.

    Args:
        input_size: I, features of a step.
        memory: any :class:`memnets.Memory`.
        controller: "lstm", "gru", "rnn" or "feedforward"; or a function that makes a controller for a number of
            inputs (``hidden_size``, ``num_layers`` and ``dropout`` are then without effect).
        hidden_size: units of each layer of the controller.
        num_layers: layers of the controller.
        dropout: share of what each layer of the controller, but the last, gives the next that is left out in training,
            drawn anew at each step, as in ``torch.nn.LSTM``.
        learned_state: the controller's state before the first step is learned, in place of zeros.
        learned_memory: so is what the memory holds then (its ``contents``). Slots that :meth:`Memory.resize` adds start
            as they would without it.

    Raises:
        ValueError: a size below 1, no controller has that name, ``dropout`` outside 0..1, or nothing to be learned.
        TypeError: ``memory`` is none.
    """

    def __init__(
        self,
        input_size: int,
        memory: Memory,
        *,
        controller: MakeController = "lstm",
        hidden_size: int = 100,
        num_layers: int = 1,
        dropout: float = 0.0,
        learned_state: bool = False,
        learned_memory: bool = False,
    ):
        super().__init__()
        if not isinstance(memory, Memory):
            raise TypeError(f"memory is {memory!r}, but must be a memnets.Memory, such as memnets.NTMMemory()")
        check_whole("input_size", input_size)  # before what is read is added to it
        self.input_size = input_size
        self.controller = _make(controller, input_size, memory.reads_size, hidden_size, num_layers, dropout)
        self.memory = memory
        self.interface = nn.Linear(self.controller.hidden_size, memory.interface.size)
        memory.interface.initialise(self.interface)
        self.output_size = self.controller.hidden_size + memory.reads_size
        self.state_start = self.memory_start = None
        if learned_state:
            self.state_start = LearnedStart(self.controller.initial_state(1))
        if learned_memory:
            if not memory.contents:
                raise ValueError(
                    f"learned_memory is True, but {type(memory).__name__} does not say which fields of its state may "
                    'be learned: give it contents = ("...",), or leave learned_memory out'
                )
            self.memory_start = LearnedStart(memory.initial_state(1), memory.contents)

    @property
    def masks_size(self) -> int:
        """Numbers that a step takes behind its inputs: the controller's dropout masks, in training."""
        return getattr(self.controller, "masks_size", 0)

    def add_masks(self, inputs: Tensor) -> Tensor:
        """``inputs (..., I)`` with dropout masks behind them, ``(..., I + masks_size)``, drawn for all steps."""
        if not self.masks_size:
            return inputs
        return torch.cat([inputs, self.controller.draw_masks(*inputs.shape[:-1], like=inputs)], dim=-1)

    @property
    def growing(self) -> bool:
        """Whether the memory's state changes shape from step to step."""
        return self.memory.growing

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> CellState:
        """The state before the first step; on the parameters' device and in their dtype unless told.

        Raises:
            MemoryError: it does not fit.
        """
        options = place_of(self)
        options = {"device": device or options["device"], "dtype": dtype or options["dtype"]}
        try:
            controller = self.controller.initial_state(batch_size, **options)
            memory = self.memory.initial_state(batch_size, **options)
            if self.state_start is not None:
                controller = self.state_start(controller)
            if self.memory_start is not None:
                memory = self.memory_start(memory)
            return CellState(controller, memory, self.memory.initial_reads(memory))
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            raise MemoryError(
                f"the state of {self.memory} does not fit on {options['device']}: use fewer slots or a smaller batch"
            ) from error

    def forward(self, x: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """One step.

        Args:
            x: ``(B, I)``; with :meth:`add_masks` ``(B, I + masks_size)``.
            state: from :meth:`initial_state` or the step before.

        Returns:
            ``[h, reads]`` of shape ``(B, hidden_size + reads_size)``, and the next state.
        """
        if x.shape[-1] > self.input_size:
            x, masks = x.split((self.input_size, x.shape[-1] - self.input_size), dim=-1)
            h, controller = self.controller(torch.cat([x, state.reads], dim=-1), state.controller, masks)
        else:
            h, controller = self.controller(torch.cat([x, state.reads], dim=-1), state.controller)
        reads, memory = self.memory(self.interface(h), self.memory.observe(x, state.memory))
        return torch.cat([h, reads], dim=-1), CellState(controller, memory, reads)


def _make(controller: Any, input_size: int, reads_size: int, hidden_size: int, num_layers: int, dropout: float) -> Any:
    if isinstance(controller, str):
        return make_controller(controller, input_size + reads_size, hidden_size, num_layers, dropout)
    if isinstance(controller, nn.Module) or not callable(controller):
        raise TypeError(
            f"controller is {controller!r}, but must be a name, or a function that makes a controller for a number of "
            f"inputs, which here is {input_size + reads_size}"
        )
    return controller(input_size + reads_size)
