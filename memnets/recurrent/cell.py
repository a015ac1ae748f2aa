"""A controller and a memory as one recurrent cell."""

from typing import Any

import torch
from torch import Tensor, nn

from ..base.state import CellState
from ..controllers import Controller
from ..memories.base import Memory


class MemoryCell(nn.Module):
    """One step of a memory-augmented network: controller, interface projection, memory.

    The controller sees the input and the vectors read at the step before; what it emits is projected to the
    memory's interface; the cell's output is ``[h, reads]``.

    Args:
        controller: takes ``input_size + R * M`` inputs.
        memory: any :class:`memnets.memories.Memory`.

    Raises:
        ValueError: the controller is too small to take the memory's reads.
    """

    def __init__(self, controller: Controller, memory: Memory):
        super().__init__()
        self.controller = controller
        self.memory = memory
        self.interface = nn.Linear(controller.hidden_size, memory.interface_size)
        memory.initialise(self.interface)
        self.reads_size = memory.read_heads * memory.width
        self.input_size = controller.input_size - self.reads_size
        if self.input_size < 1:
            raise ValueError(
                f"the controller takes {controller.input_size} inputs, but {self.reads_size} of them are vectors "
                f"read from memory: give it input_size + {self.reads_size}"
            )
        self.output_size = controller.hidden_size + self.reads_size

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> CellState:
        """The state before the first step; on the parameters' device and in their dtype unless told."""
        device = device or self.interface.weight.device
        dtype = dtype or self.interface.weight.dtype
        controller: Any = self.controller
        memory = self.memory.initial_state(batch_size, device=device, dtype=dtype)
        return CellState(
            controller.initial_state(batch_size, device=device, dtype=dtype),
            memory,
            self.memory.initial_reads(memory),
        )

    def forward(self, x: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """One step.

        Args:
            x: ``(B, I)``.
            state: from :meth:`initial_state` or the step before.

        Returns:
            ``[h, reads]`` of shape ``(B, H + R * M)``, and the next state.
        """
        h, controller = self.controller(torch.cat([x, state.reads.flatten(1)], dim=-1), state.controller)
        reads, memory = self.memory(self.interface(h), state.memory)
        return torch.cat([h, reads.flatten(1)], dim=-1), CellState(controller, memory, reads)
