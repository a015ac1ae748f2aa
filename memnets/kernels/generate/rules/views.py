"""Operators whose result shares its argument's numbers."""

from collections.abc import Sequence

from ..node import View
from .rule import Rule


def slice_of(x: View, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> View:
    """What Python's ``start:end:step`` takes along an axis."""
    first, last, step = slice(start, end, step).indices(x.shape[x.axis(dim)])
    return x.slice(dim, first, max(0, -(-(last - first) // step)), step)


def _split(x: View, sizes: int | Sequence[int], dim: int = 0) -> list[View]:
    n = x.shape[x.axis(dim)]
    if isinstance(sizes, int):
        sizes = [min(sizes, n - i) for i in range(0, n, sizes)]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [x.slice(dim, start, size) for start, size in zip(starts, sizes)]


def _squeeze(x: View, dims: int | Sequence[int] | None = None) -> View:
    chosen = range(len(x.shape)) if dims is None else [dims] if isinstance(dims, int) else dims
    return x.drop([d for d in chosen if x.shape and x.shape[x.axis(d)] == 1])


def _transpose(x: View, a: int, b: int) -> View:
    order = list(range(len(x.shape)))
    order[x.axis(a)], order[x.axis(b)] = order[x.axis(b)], order[x.axis(a)]
    return x.permute(order)


VIEWS: dict[str, Rule] = {
    "alias": lambda x: x,
    "detach": lambda x: x,
    "view": lambda x, shape: x.reshape(shape),
    "_unsafe_view": lambda x, shape: x.reshape(shape),
    "_reshape_alias": lambda x, shape, strides: x.reshape(shape),
    "expand": lambda x, shape, **_: x.expand(shape),
    "permute": lambda x, dims: x.permute(dims),
    "transpose": _transpose,
    "t": lambda x: x if len(x.shape) < 2 else _transpose(x, 0, 1),
    "unsqueeze": lambda x, dim: x.unsqueeze(dim),
    "squeeze": _squeeze,
    "slice": slice_of,
    "select": lambda x, dim, index: x.select(dim, index),
    "split": _split,
    "split_with_sizes": _split,
    "unbind": lambda x, dim=0: [x.select(dim, i) for i in range(x.shape[x.axis(dim)])],
    "unfold": lambda x, dim, size, step: x.unfold(dim, size, step),
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: x.diagonal(offset, dim1, dim2),
}
