"""What a controller emits to a memory at a step, as one named table."""

import itertools
from collections import namedtuple
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.checks import check_number, check_whole

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "oneplus": lambda x: 1 + F.softplus(x),
    "softmax": lambda x: torch.softmax(x, dim=-1),
    "relu": F.relu,
}
"""By name what is done to a part of the interface; ``softmax`` goes over the last dimension of its shape."""


class Part(NamedTuple):
    """One part of an interface.

    Attributes:
        shape: without the batch, such as ``(H, M)``; ``()`` for a single number.
        activation: a name of :data:`ACTIVATIONS`.
        bias: what the projection from the controller adds at the start, before the activation.
    """

    shape: tuple[int, ...]
    activation: str = "none"
    bias: float = 0.0

    @property
    def size(self) -> int:
        """Numbers a step."""
        return prod(self.shape)


class Interface:
    """The parts of an interface by name, in the order in which they stand in the controller's emission.

    >>> interface = Interface(key=Part((2, 20), "tanh"), strength=Part((2,), "softplus"))
    >>> interface.size
    42
    >>> parts = interface(torch.randn(16, 42))
    >>> parts.key.shape, parts.strength.shape
    (torch.Size([16, 2, 20]), torch.Size([16, 2]))

    Neighbours with the same activation are activated together.

    Attributes:
        parts: by name, in order.
        size: numbers a step.
        places: by name the slice of the emission where a part stands.

    Raises:
        ValueError: no part, a size below 1, an unknown activation, or a bias that is not finite.
    """

    def __init__(self, **parts: Part):
        if not parts:
            raise ValueError("an interface needs at least one part, such as Interface(value=Part((8,), 'tanh'))")
        for name, part in parts.items():
            for size in part.shape:
                check_whole(f"a size of the interface's part {name}", size)
            if part.activation not in ACTIVATIONS:
                raise ValueError(
                    f"the activation of the interface's part {name} is {part.activation!r}, but must be one of "
                    f"{', '.join(ACTIVATIONS)}"
                )
            if part.activation == "softmax" and not part.shape:
                raise ValueError(f"the interface's part {name} is a single number, whose softmax is 1: give it a shape")
            check_number(f"the bias of the interface's part {name}", part.bias)
        self.parts: Mapping[str, Part] = dict(parts)
        ends = list(itertools.accumulate(part.size for part in parts.values()))
        self.size = ends[-1]
        self.places = {name: slice(end - part.size, end) for (name, part), end in zip(parts.items(), ends)}
        self._type: Any = namedtuple("Parts", parts)
        self._runs = _runs(self.parts)

    def __call__(self, vector: Tensor) -> Any:
        """The emission ``(B, size)`` as a NamedTuple of activated parts, each ``(B, *shape)``."""
        found = []
        for run, values in zip(self._runs, vector.split([run.size for run in self._runs], dim=-1)):
            if run.activation != "softmax":  # over a part's own last dimension
                values = ACTIVATIONS[run.activation](values)
            for part, value in zip(run.parts, values.split([part.size for part in run.parts], dim=-1)):
                value = value.unflatten(-1, part.shape or (1,)) if len(part.shape) != 1 else value
                value = value.squeeze(-1) if not part.shape else value
                found.append(torch.softmax(value, dim=-1) if run.activation == "softmax" else value)
        return self._type(*found)

    @torch.no_grad()
    def initialise(self, projection: nn.Linear) -> None:
        """Add each part's starting bias to the projection that emits it."""
        for name, part in self.parts.items():
            if part.bias and projection.bias is not None:
                projection.bias[self.places[name]] += part.bias

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interface) and list(self.parts.items()) == list(other.parts.items())

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __reduce__(self) -> Any:
        return _rebuild, (dict(self.parts),)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={part.shape} {part.activation}" for name, part in self.parts.items())
        return f"Interface({inside})"


class _Run(NamedTuple):
    """Neighbouring parts of one activation."""

    activation: str
    parts: list[Part]
    size: int


def _runs(parts: Mapping[str, Part]) -> list[_Run]:
    runs: list[_Run] = []
    for part in parts.values():
        if runs and runs[-1].activation == part.activation:
            runs[-1].parts.append(part)
            runs[-1] = runs[-1]._replace(size=runs[-1].size + part.size)
        else:
            runs.append(_Run(part.activation, [part], part.size))
    return runs


def _rebuild(parts: dict[str, Part]) -> Interface:
    return Interface(**parts)
