"""Where numbers lie: buffers of nodes, places within them, and memories that hand them out."""

import math
from typing import NamedTuple

from .node import Shape, View


class Buffer(NamedTuple):
    """Where a node lies in memory: a pointer's name, a first number, and how far apart its axes' numbers are.

    ``padded``: the size of its innermost axis, where whole vectors may be stored at that axis' end; else 0.
    """

    base: str
    first: int
    strides: tuple[int, ...]
    padded: int


class Place(NamedTuple):
    """Where a statement's result goes: an affine map from its range to a buffer's axes."""

    buffer: Buffer
    offset: tuple[int, ...]
    coef: tuple[tuple[int, ...], ...]


class Room:
    """Hands out places of one memory."""

    def __init__(self, base: str, align: int):
        self.base, self.align, self.size = base, align, 0

    def take(self, shape: Shape, dense: bool = False) -> Buffer:
        """Room for a node: its longest axis innermost and padded to whole vectors, unless ``dense``."""
        first = -(-self.size // self.align) * self.align
        strides = layout(shape, self.align, dense)
        self.size = first + span(shape, strides, self.align, dense)
        return Buffer(self.base, first, strides, 0 if dense else max(shape, default=1))


def layout(shape: Shape, align: int, dense: bool) -> tuple[int, ...]:
    """The strides of a node's axes."""
    if dense or not shape:
        return tuple(math.prod(shape[j + 1 :]) for j in range(len(shape)))
    inner = max(range(len(shape)), key=lambda j: (shape[j], j))
    strides, step = [0] * len(shape), -(-shape[inner] // align) * align
    strides[inner] = 1
    for j in reversed(range(len(shape))):
        if j != inner:
            strides[j] = step
            step *= shape[j]
    return tuple(strides)


def span(shape: Shape, strides: tuple[int, ...], align: int, dense: bool) -> int:
    """How many numbers a node takes."""
    last = 1 + sum((n - 1) * s for n, s in zip(shape, strides))
    return last if dense else -(-last // align) * align


def turned(view: View, order: tuple[int, ...]) -> View:
    """A view over a statement's axes, seen over its nest's: axis j is the nest's axis ``order[j]``."""
    back = [order.index(a) for a in range(len(order))]
    return view.permute(back)


def turned_place(place: Place, order: tuple[int, ...]) -> Place:
    """A place over a statement's axes, seen over its nest's."""
    back = [order.index(a) for a in range(len(order))]
    return Place(place.buffer, place.offset, tuple(tuple(row[b] for b in back) for row in place.coef))


def dense(base: str, first: int, shape: tuple[int, ...]) -> Buffer:
    """A buffer whose last axis is innermost, without gaps."""
    return Buffer(base, first, layout(shape, 1, True), 0)


def whole_place(node_shape: tuple[int, ...], buffer: Buffer) -> Place:
    """All of a buffer."""
    n = len(node_shape)
    return Place(buffer, (0,) * n, tuple(tuple(int(s == j) for j in range(n)) for s in range(n)))
