"""An optimiser's state knows parameters by number: it is put in order where a model numbers them otherwise now."""

from collections.abc import Iterable, Sequence
from typing import Any


def in_order(state: dict[str, Any], old: Iterable[str], new: Sequence[str]) -> dict[str, Any]:
    """The state of an optimiser of one group, for the parameters in the order ``new``.

    Args:
        state: an optimiser's ``state_dict()``.
        old: names when it was saved, in their order, such as a checkpoint's ``state_dict``; other names are left out.
        new: names of the parameters as they are numbered now.

    Returns:
        The state itself where nothing has changed, or where the names are not the same ones.
    """
    known = set(new)
    before = [name for name in old if name in known]
    if len(state["param_groups"]) != 1 or before == list(new) or set(before) != known:
        return state
    number = {old_number: new.index(name) for old_number, name in enumerate(before)}
    group = state["param_groups"][0]
    if sorted(group["params"]) != sorted(number):
        return state
    moved = {number[old_number]: values for old_number, values in state["state"].items()}
    return {**state, "state": dict(sorted(moved.items())), "param_groups": [{**group, "params": sorted(number)}]}
