"""States: NamedTuples of tensors, passed in and returned, with the batch first in every tensor.

Nothing of a sequence is kept on a module, so that a module can be used twice at once, copied and compiled.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

StateT = TypeVar("StateT")


class FeedforwardState(NamedTuple):
    """The state of a controller that has none."""


class HiddenState(NamedTuple):
    """The state of a GRU or RNN: ``hidden (B, L, H)``, L layers of H units."""

    hidden: Tensor


class LSTMState(NamedTuple):
    """The state of an LSTM: ``hidden (B, L, H)`` and ``cell (B, L, H)``, L layers of H units."""

    hidden: Tensor
    cell: Tensor


class NTMState(NamedTuple):
    """The state of an NTM's memory: ``memory (B, N, M)``, ``read_weights (B, R, N)``, ``write_weights (B, W, N)``."""

    memory: Tensor
    read_weights: Tensor
    write_weights: Tensor


class CellState(NamedTuple):
    """The state of a MemoryCell: its controller's, its memory's, and ``reads (B, R, M)``, the last vectors read."""

    controller: Any
    memory: Any
    reads: Tensor


def map_state(function: Callable[[Tensor], Tensor], state: StateT) -> StateT:
    """The same state with ``function`` applied to each tensor."""
    if isinstance(state, Tensor):
        return function(state)  # pyright: ignore[reportReturnType]
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(map_state(function, part) for part in state))
    raise TypeError(f"a state is a NamedTuple of tensors and states, got {type(state).__name__}")


def state_tensors(state: Any) -> Iterator[Tensor]:
    """Each tensor of a state, in the order of its fields."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, tuple) and hasattr(state, "_fields"):
        for part in state:
            yield from state_tensors(part)
    else:
        raise TypeError(f"a state is a NamedTuple of tensors and states, got {type(state).__name__}")


def named_tensors(state: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Each tensor of a state with its field's name; of states within states ``outer.inner``."""
    if isinstance(state, Tensor):
        yield prefix, state
        return
    if not (isinstance(state, tuple) and hasattr(state, "_fields")):
        raise TypeError(f"a state is a NamedTuple of tensors and states, got {type(state).__name__}")
    for name, part in zip(state._fields, state):  # pyright: ignore[reportAttributeAccessIssue]
        yield from named_tensors(part, f"{prefix}.{name}" if prefix else name)


def detach_state(state: StateT) -> StateT:
    """The same values, cut from the graph: between two segments of truncated backpropagation through time."""
    return map_state(Tensor.detach, state)


def index_state(state: StateT, index: int | slice | Tensor) -> StateT:
    """The state of some sequences of the batch; a single index keeps a batch of one."""
    if isinstance(index, int):
        index = slice(index, index + 1 or None)
    return map_state(lambda tensor: tensor[index], state)


def stack_states(states: Sequence[StateT]) -> StateT:
    """One state whose batch is the batches of ``states`` one after another."""
    if not states:
        raise ValueError("stack_states needs at least one state, got none")
    first = states[0]
    if isinstance(first, Tensor):
        return torch.cat(list(states), dim=0)  # pyright: ignore[reportArgumentType, reportReturnType]
    if any(type(state) is not type(first) for state in states):
        kinds = sorted({type(state).__name__ for state in states})
        raise TypeError(f"stack_states needs states of one kind, got {', '.join(kinds)}")
    parts = zip(*states)  # pyright: ignore[reportArgumentType]
    return type(first)(*(stack_states(part) for part in parts))
