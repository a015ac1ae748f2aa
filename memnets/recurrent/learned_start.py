"""A state before the first step that is learned."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.state import map_state, named_tensors


class LearnedStart(nn.Module):
    """Puts parameters in the place of some tensors of a state; they begin as what was there.

    Args:
        state: of a batch of one.
        fields: names of the tensors, ``outer.inner`` of states within states; all of them if None.

    Raises:
        ValueError: the state has no tensor, or none of such a name.
    """

    def __init__(self, state: Any, fields: Sequence[str] | None = None):
        super().__init__()
        values = dict(named_tensors(state))
        self.fields = tuple(values if fields is None else fields)
        if not values:
            raise ValueError(f"{type(state).__name__} holds nothing that could be learned: leave the option out")
        missing = [name for name in self.fields if name not in values]
        if missing:
            raise ValueError(f"{type(state).__name__} has no {missing[0]} to learn: it holds {', '.join(values)}")
        self.values = nn.ParameterList(nn.Parameter(values[name][0].clone()) for name in self.fields)

    def forward(self, state: Any) -> Any:
        """``state``, of any batch, from the parameters."""
        learned = dict(zip(self.fields, self.values))
        names = iter([name for name, _ in named_tensors(state)])

        def start(tensor: Tensor) -> Tensor:
            name = next(names)
            return _fill(learned[name], tensor) if name in learned else tensor

        return map_state(start, state)


def _fill(value: Tensor, other: Tensor) -> Tensor:
    """``value (...)`` for each sequence of ``other (B, ...)``; places that ``value`` has not are those of ``other``."""
    value = value.to(other)[tuple(slice(size) for size in other.shape[1:])]
    if value.shape != other.shape[1:]:
        missing = [n for size, own in zip(other.shape[:0:-1], value.shape[::-1]) for n in (0, size - own)]
        known = F.pad(torch.ones_like(value, dtype=torch.bool), missing)
        return torch.where(known, F.pad(value, missing), other)
    return value.expand(other.shape).clone()
