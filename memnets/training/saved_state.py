"""Whether a training can go on with what a checkpoint says of it: nothing in the file is taken for granted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..base.kinds import NUMBER, OR_NONE, find_wrong
from .parameter_order import in_order

CHECKPOINT = {
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "state_dict": dict,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": [dict],
    "lr_schedulers": [dict],
    "memnets": {
        "batches": int,
        "seconds": NUMBER,
        "validation_error": NUMBER,
        "last_numbers": dict,
        "random": {"cpu": Tensor, "cuda": [Tensor]},
    },
}
"""What stands in one, whatever is trained."""


def find_fault(saved: Any, optimizer: Any, scheduler: Any = None, names: Sequence[str] = ()) -> str | None:
    """Why a checkpoint is none that a training with this optimiser and scheduler wrote; None if it may be.

    Optimisers and schedulers of users' own may keep what they like.

    Args:
        saved: the checkpoint.
        optimizer: one like that of the training, new.
        scheduler: of the optimiser, new, or None.
        names: of the parameters as they are numbered now, where a checkpoint may number them otherwise.
    """
    if (wrong := find_wrong(saved, CHECKPOINT)) is not None:
        return f"{wrong or 'it'} is missing or of another kind"
    try:
        torch.Generator().set_state(saved["memnets"]["random"]["cpu"])
    except (RuntimeError, TypeError):
        return "memnets.random.cpu is no state of random numbers"
    states, schedules = saved["optimizer_states"], saved["lr_schedulers"]
    if len(states) != 1 or len(schedules) != (scheduler is not None):
        return f"states of {len(states)} optimisers and {len(schedules)} schedulers"
    fault = optimizer_fault(states[0], optimizer, saved["state_dict"], names)
    if fault is None and scheduler is not None and _is_torchs(scheduler):
        fault = _scheduler_fault(schedules[0], scheduler)
    return fault


def _is_torchs(thing: Any) -> bool:
    return type(thing).__module__.startswith("torch.")


def optimizer_fault(state: Any, optimizer: Any, old: Iterable[str], names: Sequence[str]) -> str | None:
    """Why a ``state_dict()`` cannot be loaded into this optimiser, or no step taken with it; None if it may be.

    Args:
        state: put in order (``in_order``) before it is compared.
        optimizer: new, or at work.
        old: names of the parameters when it was saved.
        names: as they are numbered now.
    """
    if not _is_torchs(optimizer):
        return None
    if (wrong := find_wrong(state, {"state": dict, "param_groups": [{"params": list}]})) is not None:
        return f"{wrong} is missing or of another kind"
    groups, own = state["param_groups"], optimizer.param_groups
    if [len(group["params"]) for group in groups] != [len(group["params"]) for group in own]:
        return "other groups of parameters"
    numbers = [number for group in groups for number in group["params"]]
    if any(type(number) is not int for number in numbers) or len(set(numbers)) != len(numbers):
        return "parameters that are numbered twice, or not"
    for number, values in state["state"].items():
        if number not in numbers or not isinstance(values, Mapping):
            return f"a state of parameter {number!r}, which there is not"
    state = in_order(state, old, names)
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    parameters = dict(zip(numbers, [parameter for group in own for parameter in group["params"]]))
    for number, values in state["state"].items():
        for name, value in values.items():
            if not _fits(value, parameters[number]):
                return f"{name} of parameter {number} does not fit it"
    kinds: dict[bool, set[Any]] = {}  # of matrices some optimisers keep rows and columns
    for number, values in state["state"].items():
        known = kinds.setdefault(parameters[number].ndim > 1, set(values))
        if values and known and set(values) != known:
            return f"parameter {number} has {len(values)} of {len(known)} values"
    for group, mine in zip(groups, own):
        for name in optimizer.defaults:
            is_new = name not in group and mine[name] in (None, False)  # a setting that older versions have not
            if not is_new and not _is_like(group.get(name, ...), mine[name]):
                return f"{name} is missing or of another kind"
    return None


def _fits(value: Any, parameter: Tensor) -> bool:
    """Whether it may be kept for that parameter: a number, or numbers as many as it has, or as its rows or columns."""
    if not isinstance(value, Tensor):
        return value is None or _is_like(value, 0.0)
    if value.layout is not torch.strided or value.is_meta or value.is_complex() != parameter.is_complex():
        return value.layout is torch.strided and not value.is_meta and value.numel() == 1
    shapes = zip(value.shape, parameter.shape)
    return value.numel() == 1 or (value.ndim == parameter.ndim and all(a in (1, b) for a, b in shapes))


def _scheduler_fault(state: Any, scheduler: Any) -> str | None:
    own = scheduler.state_dict()
    for name in [*own, *state]:
        if name not in own and (not isinstance(name, str) or hasattr(type(scheduler), name)):
            return f"{name!r} is no part of its state"
        if name in own and name in state and not _is_like(state[name], own[name]):
            return f"{name} is of another kind"
    return None


def _is_like(value: Any, own: Any) -> bool:
    """Whether plain values are of the kinds of others: numbers for numbers, lists as long, mappings with their keys."""
    if isinstance(own, Tensor) or isinstance(value, Tensor):
        both = all(isinstance(each, Tensor | int | float) for each in (value, own))
        return both and (not isinstance(value, Tensor) or (value.numel() == 1 and not value.is_complex()))
    if isinstance(own, NUMBER):
        return find_wrong(value, NUMBER) is None
    if own is None:
        return find_wrong(value, OR_NONE) is None
    if isinstance(own, Mapping):
        return isinstance(value, Mapping) and all(_is_like(value[key], own[key]) for key in {*own} & {*value})
    if isinstance(own, Sequence) and not isinstance(own, str):
        return isinstance(value, list | tuple) and len(value) == len(own) and all(map(_is_like, value, own))
    return isinstance(value, type(own))
