"""Sorts, and running sums and products."""

from typing import Any

from ..node import View
from .places import gather
from .rule import Rule


def cumulative(kind: str) -> Rule:
    """The rule of a running "sum" or "product" along an axis."""

    def rule(x: View, dim: int, **_: Any) -> View:
        if x.shape == () or 0 in x.shape or x.shape[x.axis(dim)] == 1:
            return x
        real = x.drop([j for j, n in enumerate(x.shape) if n == 1])
        axis = sum(n != 1 for n in x.shape[: x.axis(dim)])
        return x.node.graph.make("scan", real.shape, (real,), (kind, axis, False)).whole().reshape(x.shape)

    return rule


def _argsort(x: View, dim: int, descending: bool) -> View:
    if not x.shape or 0 in x.shape or x.shape[x.axis(dim)] == 1:
        return x.node.graph.const(0.0).expand(x.shape)
    real = x.drop([j for j, n in enumerate(x.shape) if n == 1])
    axis = sum(n != 1 for n in x.shape[: x.axis(dim)])
    return x.node.graph.make("sort", real.shape, (real,), (axis, descending)).whole().reshape(x.shape)


def _sort(x: View, dim: int = -1, descending: bool = False, **_: Any) -> tuple[View, View]:
    index = _argsort(x, dim, descending)
    return gather(x, dim, index), index


def _topk(x: View, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[View, View]:
    index = _argsort(x, dim, largest).slice(dim, 0, k)
    return gather(x, dim, index), index


def extreme(descending: bool) -> Rule:
    """The rule of the largest number along an axis, or the smallest, and its place."""

    def rule(x: View, dim: int, keepdim: bool = False) -> tuple[View, View]:
        index = _argsort(x, dim, descending).slice(dim, 0, 1)
        found = gather(x, dim, index), index
        return found if keepdim else (found[0].drop([dim]), found[1].drop([dim]))

    return rule


def _argmax(x: View, dim: int | None = None, keepdim: bool = False) -> View:
    if dim is None:
        x, dim = x.reshape([-1]), 0
    return extreme(True)(x, dim, keepdim)[1]


ORDER: dict[str, Rule] = {
    "cumsum": cumulative("sum"),
    "cumprod": cumulative("product"),
    "sort": _sort,
    "topk": _topk,
    "argmax": _argmax,
    "argsort": lambda x, dim=-1, descending=False, **_: _argsort(x, dim, descending),
}
