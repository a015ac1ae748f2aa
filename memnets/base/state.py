"""States: NamedTuples of tensors, passed in and returned, with the batch first in every tensor.

Nothing of a sequence is kept on a module, so that a module can be used twice at once, copied and compiled.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from .errors import lacks_memory
from .state_types import known_state

StateT = TypeVar("StateT")


@known_state
class FeedforwardState(NamedTuple):
    """The state of a controller that has none."""


@known_state
class HiddenState(NamedTuple):
    """The state of a GRU or RNN: ``hidden (B, L, H)``, L layers of H units."""

    hidden: Tensor


@known_state
class LSTMState(NamedTuple):
    """The state of an LSTM: ``hidden (B, L, H)`` and ``cell (B, L, H)``, L layers of H units."""

    hidden: Tensor
    cell: Tensor


def map_state(function: Callable[[Tensor], Tensor], state: StateT) -> StateT:
    """The same state with ``function`` applied to each tensor."""
    if isinstance(state, Tensor):
        return function(state)  # pyright: ignore[reportReturnType]
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(map_state(function, part) for part in state))
    raise TypeError(f"a state is a NamedTuple of tensors and states, got {type(state).__name__}")


def state_tensors(state: Any) -> list[Tensor]:
    """Each tensor of a state, in the order of its fields."""
    if isinstance(state, Tensor):
        return [state]
    if not (isinstance(state, tuple) and hasattr(state, "_fields")):
        raise TypeError(f"a state is a NamedTuple of tensors and states, got {type(state).__name__}")
    return [tensor for part in state for tensor in state_tensors(part)]


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


def repeat_state(state: StateT, batch_size: int) -> StateT:
    """The state of one sequence as that of ``batch_size``, which share its numbers: not to be changed in place."""
    if batch_size == 1:
        return state
    return map_state(lambda tensor: tensor.expand(batch_size, *tensor.shape[1:]), state)


def dense_state(state: StateT) -> StateT:
    """The same with numbers of its own for each sequence, where :func:`repeat_state` made it.

    Raises:
        MemoryError: they do not fit.
    """
    try:
        return map_state(Tensor.contiguous, state)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        batch, first = next((len(tensor), tensor) for tensor in state_tensors(state))
        raise MemoryError(
            f"the state of a batch of {batch} does not fit on {first.device}: use fewer slots or a smaller batch"
        ) from error


def index_state(state: StateT, index: int | slice | Tensor) -> StateT:
    """The state of some sequences of the batch; a single index keeps a batch of one."""
    if isinstance(index, int):
        index = slice(index, index + 1 or None)
    return map_state(lambda tensor: tensor[index], state)


def stack_states(states: Sequence[StateT], *, pad: bool = False) -> StateT:
    """One state whose batch is the batches of ``states`` one after another.

    Args:
        states: of one kind.
        pad: bring tensors of different sizes to the largest, with zeros at the end of each dimension.

    Raises:
        ValueError: no state.
        TypeError: states of different kinds.
    """
    if not states:
        raise ValueError("stack_states needs at least one state, got none")
    first = states[0]
    if isinstance(first, Tensor):
        tensors: Any = _padded(states) if pad else list(states)
        return torch.cat(tensors, dim=0)  # pyright: ignore[reportReturnType]
    if any(type(state) is not type(first) for state in states):
        kinds = sorted({type(state).__name__ for state in states})
        raise TypeError(f"stack_states needs states of one kind, got {', '.join(kinds)}")
    parts = zip(*states)  # pyright: ignore[reportArgumentType]
    return type(first)(*(stack_states(part, pad=pad) for part in parts))


def join_layers(states: Sequence[StateT]) -> StateT:
    """The states of several layers as one, with the layers as the second dimension of each tensor."""
    first = states[0]
    if isinstance(first, Tensor):
        tensors: Any = list(states)
        return torch.stack(tensors, dim=1)  # pyright: ignore[reportReturnType]
    return type(first)(*(join_layers(parts) for parts in zip(*states)))  # pyright: ignore[reportArgumentType]


def layer_of(state: StateT, number: int) -> StateT:
    """The state of one layer, of that of all ``(B, L, ...)``."""
    return map_state(lambda tensor: tensor[:, number], state)


def where_state(chosen: Tensor, one: StateT, other: StateT) -> StateT:
    """The state ``one`` of the sequences where ``chosen (B,)`` is True, ``other`` elsewhere.

    Where sizes differ, as of states that grow, the smaller is filled up with zeros.
    """
    if isinstance(one, Tensor):
        first, second = _padded([one, other])
        chosen = chosen.view(-1, *[1] * (first.dim() - 1))
        return torch.where(chosen, first, second)  # pyright: ignore[reportReturnType]
    pairs = zip(one, other)  # pyright: ignore[reportArgumentType]
    return type(one)(*(where_state(chosen, a, b) for a, b in pairs))


def weighted_state(weights: Sequence[Tensor], states: Sequence[StateT]) -> StateT:
    """The sum of each state times its weights ``(B,)``, tensor by tensor."""
    first = states[0]
    if isinstance(first, Tensor):
        tensors: Any = states
        return sum(w.view(-1, *[1] * (first.dim() - 1)) * tensor for w, tensor in zip(weights, tensors))  # pyright: ignore[reportReturnType]
    parts = zip(*states)  # pyright: ignore[reportArgumentType]
    return type(first)(*(weighted_state(weights, part) for part in parts))


def _padded(tensors: Sequence[Any]) -> list[Tensor]:
    sizes = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors))]
    if all(list(tensor.shape[1:]) == sizes for tensor in tensors):
        return list(tensors)
    return [
        torch.nn.functional.pad(t, [n for size, own in zip(sizes[::-1], t.shape[:0:-1]) for n in (0, size - own)])
        for t in tensors
    ]
