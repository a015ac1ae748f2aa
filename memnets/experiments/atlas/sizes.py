"""Memories of one size of state: how many numbers a model keeps from step to step, and what argument gives so many."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ...base.errors import UsageError
from ...base.state import state_tensors

LARGEST = 65_536
"""The largest value of an argument that is tried."""


@torch.no_grad()
def state_size(model: Any, steps: int) -> int:
    """Numbers that the model keeps of one sequence, controller and memory together.

    Args:
        model: a :class:`memnets.SequenceModule`.
        steps: of the sequence; of a state that grows, its size after so many counts.
    """
    state = model.initial_state(1)
    if any(getattr(part, "growing", False) for part in model.modules()):
        shape = (1, steps) if model.vocabulary else (1, steps, model.input_size)
        kind = torch.int64 if model.vocabulary else next(model.parameters()).dtype
        state = model(torch.zeros(shape, dtype=kind))[1]
    return sum(tensor.numel() for tensor in state_tensors(state))


def fit_state(
    make: Callable[[Mapping[str, Any]], nn.Module],
    arguments: Mapping[str, Any],
    name: str,
    *,
    state: int,
    tolerance: float,
    steps: int,
    stride: int = 1,
) -> dict[str, Any]:
    """The arguments with ``name`` set so that the model keeps about ``state`` numbers.

    Args:
        make: makes the model of some arguments.
        arguments: all of them.
        name: of the one to be fitted, of a nested class with dots: ``memory.slots``.
        state: numbers wanted.
        tolerance: how far from it is near enough, as a share.
        steps: of a training sequence.
        stride: the argument is a multiple of it.

    Raises:
        UsageError: no value gives a state of that size (the message has the nearest), or none can be made.
    """
    sizes: dict[int, int] = {}
    refused: list[UsageError] = []

    def size(multiple: int) -> int:
        """0 where the model refuses the value, as it may be too small."""
        if multiple not in sizes:
            try:
                sizes[multiple] = state_size(make(with_value(arguments, name, multiple * stride)), steps)
            except UsageError as error:
                refused.append(error)
                return 0
        return sizes[multiple]

    high = 1
    while size(high) < state and high * stride < LARGEST:
        high *= 2
    low = high // 2  # below the size, or 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < state else (low, middle)
    if not sizes:
        raise refused[-1]
    best = min(sizes, key=lambda multiple: abs(sizes[multiple] - state))
    if abs(sizes[best] - state) > tolerance * state:
        raise UsageError(
            f"no {name} gives a state of {state} numbers within {tolerance:.0%}: {best * stride} gives {sizes[best]}; "
            "change the memory's other sizes, or the protocol's state"
        )
    return with_value(arguments, name, best * stride)


def with_value(arguments: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A copy of the arguments with the one of that name set; ``memory.slots`` is of the class of ``memory``."""
    changed: Any = copy.deepcopy(dict(arguments))
    place = changed
    *nested, last = name.split(".")
    for key in nested:
        if not isinstance(place.get(key), dict):
            raise UsageError(f"fit: {name} is no argument: there is no {key} among {', '.join(place) or 'none'}")
        place = place[key].setdefault("init_args", {})
    place[last] = value
    return changed


def kept_bytes(model: Any, task: Any, batch: Any) -> int:
    """What a step of training keeps for the way back, in bytes: each stretch of memory once, parameters left out."""
    from ...training.adapters import training_loss

    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = training_loss(model, task, batch).loss
    del loss
    return sum(kept.values())
