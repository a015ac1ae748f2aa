"""States made known to torch: to ``torch.load``, which takes nothing unknown, and to ``torch.export``."""

import contextlib
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

_known: set[type] = set()

KindT = TypeVar("KindT")


def known_state(kind: type[KindT]) -> type[KindT]:
    """Class decorator of a state: ``torch.load`` takes it from a file and ``torch.export`` saves and loads it.

    Both then need no more than that the class has been imported.
    """
    if kind in _known:
        return kind
    _known.add(kind)
    torch.serialization.add_safe_globals([kind])
    if "<locals>" not in kind.__qualname__:
        with contextlib.suppress(ValueError):  # the user has
            pytree._register_namedtuple(kind, serialized_type_name=f"{kind.__module__}.{kind.__qualname__}")
    return kind


def register_state(state: Any) -> None:
    """Let ``torch.load`` take states of this kind from a file, and ``torch.export`` save them.

    Modules do so with their own state when they are made, so that a checkpoint with a state of one's own in it can be
    loaded once the module is there. A state is a plain tuple with names; nothing in it can run code.

    Args:
        state: a NamedTuple of tensors and further states.
    """
    kind = type(state)
    if isinstance(state, Tensor) or not hasattr(kind, "_fields"):
        return
    for part in state:
        register_state(part)
    known_state(kind)
