"""What every memory offers."""

import abc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..base.autocast import autocasts
from ..base.checks import check_whole
from ..base.records import Record, kind_of_field, kind_of_part
from ..base.state import named_tensors
from .interface import Interface


class Memory(nn.Module, abc.ABC):
    """A memory that a controller drives through one emission a step, its interface.

    A subclass sets ``interface`` and ``reads_size`` in its ``__init__`` and defines the three abstract methods, in
    plain PyTorch. :class:`memnets.MemoryCell` gives it a controller; lengths, carried state, traces, figures,
    checkpoints and compiled kernels come with that.

    Attributes:
        interface: what the controller emits, part by part.
        reads_size: numbers that a step hands back to the controller and to the output.
        slots: how many places the memory has, where that can be changed after training; 0 elsewhere.
        contents: fields of the state that hold what is remembered, of any value: what ``learned_memory`` learns.
        sized_by_input: whether longer inputs need more slots, so that evaluation gives it a slot a step.
        growing: whether the state's tensors change shape from step to step; fused kernels then leave it alone.
    """

    interface: Interface
    reads_size: int
    slots: int = 0
    contents: tuple[str, ...] = ()
    sized_by_input: bool = False
    growing: bool = False

    @abc.abstractmethod
    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """The state before the first step, a NamedTuple of tensors with the batch first; sequences start alike."""

    @abc.abstractmethod
    def initial_reads(self, state: Any) -> Tensor:
        """What the controller sees at the first step as the last reads, ``(B, reads_size)``."""

    def observe(self, x: Tensor, state: Any) -> Any:
        """What the memory takes from the cell's input itself, before the step; by default nothing.

        Args:
            x: ``(B, I)``; embeddings where inputs are tokens.
            state: of the step before.

        Returns:
            The state that :meth:`step` goes on from.
        """
        del x
        return state

    @abc.abstractmethod
    def step(self, parts: Any, state: Any) -> tuple[Tensor, Any]:
        """One access, without side effects.

        Args:
            parts: the interface's parts by name, activated: ``parts.key`` is ``(B, *shape)``.
            state: of the step before.

        Returns:
            What was read, ``(B, reads_size)``, and the next state.
        """

    def record(self, parts: Any, prev_state: Any, state: Any) -> dict[str, Record]:
        """What a trace keeps of a step; by default every part and every tensor of the next state.

        Args:
            parts: the interface's parts, activated.
            prev_state: before the step.
            state: after it.
        """
        del prev_state
        records = {
            name: Record(value, kind_of_part(part.activation, part.shape))
            for (name, part), value in zip(self.interface.parts.items(), parts)
        }
        return records | {name: Record(value, kind_of_field(value)) for name, value in named_tensors(state)}

    def resize(self, slots: int) -> None:
        """Change the number of slots; no parameter may depend on it. States made before do not fit afterwards.

        Raises:
            ValueError: ``slots`` is below 1, or the memory has none.
        """
        check_whole("slots", slots)
        if not self.slots:
            raise ValueError(f"{type(self).__name__} has no slots: they cannot be set to {slots}")
        self.slots = slots

    def forward(self, emission: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Activate the emission ``(B, interface.size)`` and take a step.

        Under autocast a memory works in the precision of its state: weightings lose too much in bfloat16.
        """
        device = emission.device.type
        if autocasts(device):
            with torch.autocast(device, enabled=False):
                return self.step(self.interface(_as_state(emission, state)), state)
        return self.step(self.interface(emission), state)


def _as_state(emission: Tensor, state: Any) -> Tensor:
    """In the precision of the state's first floating-point tensor."""
    for _, tensor in named_tensors(state):
        if tensor.is_floating_point():
            return emission.to(tensor.dtype)
    return emission


def resize(module: nn.Module, slots: int) -> None:
    """Change the number of slots of each memory of ``module`` that has slots.

    Raises:
        ValueError: none has.
    """
    check_whole("slots", slots)
    sized = [part for part in module.modules() if isinstance(part, Memory) and part.slots]
    if not sized:
        raise ValueError(f"{type(module).__name__} holds no memory with slots: they cannot be set to {slots}")
    for memory in sized:
        memory.resize(slots)


@contextmanager
def sized_for(module: nn.Module, steps: int) -> Iterator[None]:
    """Within the block, memories of ``module`` that are ``sized_by_input`` have a slot a step, or what they have.

    Their number is brought up to a power of two, so that inputs of many lengths need few kernels.
    """
    sized = [(part, part.slots) for part in module.modules() if isinstance(part, Memory) and part.sized_by_input]
    try:
        for memory, slots in sized:
            if slots < steps:
                memory.resize(1 << (steps - 1).bit_length())
        yield
    finally:
        for memory, slots in sized:
            memory.resize(slots)
