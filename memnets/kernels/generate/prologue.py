"""The prologue of a step: calls on parameters alone, which PyTorch runs before each sequence and differentiates."""

from typing import Any, NamedTuple

from torch import Tensor


class Call(NamedTuple):
    """An operator of the prologue; tensors among its arguments are :class:`Slot`."""

    func: Any
    args: Any
    kwargs: Any
    results: tuple[int, ...]


class Slot(NamedTuple):
    """A tensor of the prologue by number."""

    number: int


def leaves(value: Any) -> list[Any]:
    """All that stands in nested lists, tuples and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def needed_calls(calls: list[Call], sources: list[int]) -> list[Call]:
    """The calls of the prologue whose results the step uses."""
    wanted, found = set(sources), []
    for call in reversed(calls):
        if wanted & set(call.results):
            found.insert(0, call)
            wanted |= {s.number for s in _flat_slots((call.args, call.kwargs))}
    return found


def _flat_slots(value: Any) -> list[Slot]:
    if isinstance(value, Slot):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [slot for part in value for slot in _flat_slots(part)]
    return []


def run_prologue(prologue: list[Call], sources: list[int], given: dict[int, Tensor]) -> list[Tensor]:
    """The tensors behind the ``param`` leaves, differentiable.

    Args:
        prologue: the calls.
        sources: the slot of each leaf.
        given: tensors by slot.
    """
    env = dict(given) if prologue else given
    for call in prologue:
        args, kwargs = _filled((call.args, call.kwargs), env)
        result = call.func(*args, **kwargs)
        env.update(zip(call.results, [r for r in leaves(result) if isinstance(r, Tensor)]))
    return [env[slot] for slot in sources]


def _filled(value: Any, env: dict[int, Tensor]) -> Any:
    if isinstance(value, Slot):
        return env[value.number]
    if isinstance(value, dict):
        return {k: _filled(v, env) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(v, env) for v in value)
    return value
