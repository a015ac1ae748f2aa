"""What a trace keeps of a memory's step: values with a kind, by which figures draw a memory that they do not know."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

KINDS = ("weighting", "gate", "vector", "contents", "matrix", "scalar")
"""How a record is drawn.

- ``weighting``: ``(B, N)`` or ``(B, H, N)``, shares of attention over N places, not negative.
- ``gate``: ``(B,)``, ``(B, H)`` or ``(B, H, A)``, within 0..1.
- ``vector``: ``(B, M)`` or ``(B, H, M)``, any sign.
- ``contents``: ``(B, N, M)`` or ``(B, K, N, M)``, what N places hold.
- ``matrix``: ``(B, N, N)`` or ``(B, K, N, N)``, relations between places.
- ``scalar``: ``(B,)`` or ``(B, H)``, a number of any size.
"""


class Record(NamedTuple):
    """One value of one step, batch first, and how to draw it: one of :data:`KINDS`."""

    value: Tensor
    kind: str


class RecordedCell:
    """A cell ``(x, state) -> (output, state)`` that says what its step did, beside what memories within it say."""

    trace_name = ""
    """What the names of its records begin with."""

    def record(self, prev_state: Any, state: Any) -> dict[str, Record]:
        """What a trace keeps of a step, from the states before and after it."""
        raise NotImplementedError


class RecordedSequence:
    """A module over whole sequences that says what it did while somebody listens.

    Attributes:
        recorder: takes the records of a call, steps in the second dimension: ``(B, T, ...)``; what stands past a
            sequence's length does not matter. None while nothing is traced.
    """

    recorder: Callable[[Mapping[str, Record]], None] | None = None


def stack_steps(values: Sequence[Tensor]) -> Tensor:
    """The values ``(B, ...)`` of T steps as ``(B, T, ...)``; those that grow are filled up with zeros."""
    shape = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values))]
    return torch.stack([_filled_up(value, shape, 1) for value in values], 1)


def join_steps(parts: Sequence[Tensor]) -> Tensor:
    """Parts ``(B, T, ...)`` of a sequence as one; those that grow are filled up with zeros."""
    shape = [max(sizes) for sizes in zip(*(part.shape[2:] for part in parts))]
    return torch.cat([_filled_up(part, shape, 2) for part in parts], 1)


def _filled_up(value: Tensor, shape: Sequence[int], first: int) -> Tensor:
    if [*value.shape[first:]] == [*shape]:
        return value
    whole = value.new_zeros(*value.shape[:first], *shape)
    whole[(..., *(slice(size) for size in value.shape[first:]))] = value
    return whole


def kind_of_field(tensor: Tensor) -> str:
    """The kind of a state's tensor ``(B, ...)`` of which nothing is known but its shape."""
    return {1: "scalar", 2: "vector", 3: "contents"}.get(tensor.dim(), "contents")


def kind_of_part(activation: str, shape: tuple[int, ...]) -> str:
    """The kind of a part of an interface, by its activation and its shape without the batch."""
    if activation == "softmax":
        return "weighting"
    if len(shape) < 2 and (activation == "sigmoid" or not shape):
        return "gate" if activation == "sigmoid" else "scalar"
    if len(shape) == 1 and activation in ("softplus", "oneplus"):
        return "scalar"
    return "vector"
