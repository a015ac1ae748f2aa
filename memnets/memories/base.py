"""What every memory offers."""

import abc
from typing import Any

import torch
from torch import Tensor, nn


class Memory(nn.Module, abc.ABC):
    """A memory that a controller drives through one vector a step, the interface.

    Attributes:
        interface_size: numbers the controller emits a step.
        slots: N, how many vectors the memory holds.
        width: M, the size of each.
        read_heads: R, how many vectors are read a step.
    """

    interface_size: int
    slots: int
    width: int
    read_heads: int

    @abc.abstractmethod
    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """The state before the first step, a NamedTuple of tensors with the batch first."""

    def initialise(self, interface: nn.Linear) -> None:
        """Change the starting weights of the projection from the controller to the interface; nothing by default."""
        del interface

    @abc.abstractmethod
    def initial_reads(self, state: Any) -> Tensor:
        """The vectors (B, R, M) that the controller sees at the first step as the last ones read."""

    @abc.abstractmethod
    def forward(self, interface: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One access: interface (B, interface_size) and a state to reads (B, R, M) and the next state."""

    @abc.abstractmethod
    def describe(self, interface: Tensor, state: Any) -> dict[str, Tensor]:
        """What a trace records of one step: the named parts of ``interface`` and of the state after the step."""

    @abc.abstractmethod
    def resize(self, slots: int) -> None:
        """Change the number of slots; no parameter may depend on it."""
