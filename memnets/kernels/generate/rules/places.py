"""Operators that take numbers from some places, or put them there."""

from collections.abc import Sequence
from typing import Any

from ..node import View
from .elementwise import where
from .rule import NoRuleError, Rule, apply, graph_of
from .views import VIEWS, slice_of


def gather(x: View, dim: int, index: View, **_: Any) -> View:
    """``x`` at ``index`` along ``dim``, in the other axes where the index stands."""
    dim = x.axis(dim)
    steps = x.column(dim)
    place = x.slice(dim, 0, 1).expand([1 if j == dim else n for j, n in enumerate(x.shape)])
    for j, n in enumerate(index.shape):
        if j != dim:
            place = place.slice(j, 0, n)
    place = place.expand(index.shape)
    return _gather(place, steps, index)


def _gather(place: View, steps: Sequence[int], index: View) -> View:
    if 0 in index.shape:
        return index.node.graph.const(0.0).expand(index.shape)
    ones = [j for j, n in enumerate(index.shape) if n == 1]
    real = index.drop(ones)
    node = index.node.graph.make("gather", real.shape, (place.drop(ones), real), tuple(steps))
    return node.whole().reshape(index.shape)


def _scatter(mode: str) -> Rule:
    def rule(x: View, dim: int, index: View, value: Any, **kwargs: Any) -> View:
        if kwargs:
            raise NoRuleError(f"scatter with {', '.join(kwargs)}")
        graph, dim = x.node.graph, x.axis(dim)
        if 0 in index.shape:
            return x
        value = value if isinstance(value, View) else graph.const(value).expand(index.shape)
        for j, n in enumerate(index.shape):
            value = value.slice(j, 0, n)
        base = x.drop([j for j, n in enumerate(x.shape) if n == 1])
        target = graph.make("copy", base.shape, (base,)).whole().reshape(x.shape)
        place = target.slice(dim, 0, 1)
        for j, n in enumerate(index.shape):
            if j != dim:
                place = place.slice(j, 0, n)
        place = place.expand(index.shape)
        ones = [j for j, n in enumerate(index.shape) if n == 1]
        place = place.drop(ones)
        attr = (mode, tuple(target.column(dim)), (place.shape, place.offset, place.coef))
        node = graph.make("scatter", base.shape, (base, index.drop(ones), value.drop(ones)), attr)
        return node.whole().reshape(x.shape)

    return rule


def _index(x: View, indices: Sequence[View | None]) -> View:
    """One index tensor only."""
    given = [(d, i) for d, i in enumerate(indices) if i is not None]
    if len(given) != 1:
        raise NoRuleError(f"an index by {len(given)} tensors at once")
    dim, index = given[0]
    place = x.slice(dim, 0, 1).drop([dim])
    steps = x.column(dim)
    for j in range(len(index.shape)):
        place = place.unsqueeze(dim + j)
    shape = [*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]]
    for _ in range(len(x.shape) - dim - 1):
        index = index.unsqueeze(-1)
    index = apply("where")(apply("lt")(index, 0.0), index + float(x.shape[dim]), index)
    return _gather(place.expand(shape), steps, index.expand(shape))


def _roll(x: View, shifts: Any, dims: Any = ()) -> View:
    shifts = [shifts] if isinstance(shifts, int) else list(shifts)
    if isinstance(dims, (list, tuple)) and not dims:
        return _roll(x.reshape([-1]), shifts, 0).reshape(x.shape)
    for shift, dim in zip(shifts, [dims] if isinstance(dims, int) else dims):
        n = x.shape[x.axis(dim)]
        cut = (n - shift) % n
        x = x.node.graph.cat([x.slice(dim, cut, n - cut), x.slice(dim, 0, cut)], dim) if cut else x
    return x


def _pad(x: View, pad: Sequence[int], value: float = 0.0) -> View:
    graph = x.node.graph
    for k in range(0, len(pad), 2):
        dim = len(x.shape) - 1 - k // 2
        parts = [x.slice(dim, max(-pad[k], 0), x.shape[dim] - max(-pad[k], 0) - max(-pad[k + 1], 0))]
        for at, n in ((0, pad[k]), (len(parts) + 1, pad[k + 1])):
            if n > 0:
                parts.insert(at, graph.const(value).expand([n if j == dim else s for j, s in enumerate(x.shape)]))
        x = graph.cat(parts, dim)
    return x


def _repeat(x: View, counts: Sequence[int]) -> View:
    x = x.expand([*[1] * (len(counts) - len(x.shape)), *x.shape])
    for dim, count in enumerate(counts):
        x = x.node.graph.cat([x] * count, dim)
    return x


def _triangle(upper: bool) -> Rule:
    def rule(x: View, diagonal: int = 0) -> View:
        graph = x.node.graph
        row = graph.leaf("iota", (x.shape[-2],)).unsqueeze(-1) if x.shape[-2] > 1 else graph.const(0.0).expand((1, 1))
        column = graph.leaf("iota", (x.shape[-1],)) if x.shape[-1] > 1 else graph.const(0.0).expand((1,))
        return where(graph.map("ge" if upper else "le", column - row, float(diagonal)), x, 0.0)

    return rule


def _slice_scatter(x: View, value: View, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> View:
    return put(x, slice_of(x, dim, start, end, step), value)


def put(x: View, place: View, value: View) -> View:
    """``x`` with ``value`` at ``place``, a view of x's node that takes part of it."""
    if not x.is_whole():
        ones = [j for j, n in enumerate(x.shape) if n == 1]
        raise NoRuleError(f"a change in place of a view of shape {tuple(x.shape)} without {ones}")
    ones = [j for j, n in enumerate(place.shape) if n == 1]
    value, place = value.expand(place.shape).drop(ones), place.drop(ones)
    base = x.node.whole()
    return x.node.graph.assemble(x.node.shape, [(value, place)], base, "set").whole().reshape(x.shape)


PLACES: dict[str, Rule] = {
    "gather": gather,
    "scatter": _scatter("set"),
    "scatter_add": _scatter("add"),
    "index": _index,
    "index_select": lambda x, dim, index: _index(x, [*[None] * x.axis(dim), index]),
    "roll": _roll,
    "flip": lambda x, dims: x.flip(dims),
    "constant_pad_nd": _pad,
    "repeat": _repeat,
    "unsafe_split": VIEWS["split"],
    "unsafe_split_with_sizes": VIEWS["split"],
    "cat": lambda views, dim=0: graph_of(views).cat(views, dim),
    "stack": lambda views, dim=0: graph_of(views).cat(
        [v.unsqueeze(dim) for v in views], dim % (len(views[0].shape) + 1)
    ),
    "tril": _triangle(False),
    "triu": _triangle(True),
    "slice_scatter": _slice_scatter,
    "zeros_like": lambda x, **_: x.node.graph.const(0.0).expand(x.shape),
    "ones_like": lambda x, **_: x.node.graph.const(1.0).expand(x.shape),
    "full_like": lambda x, value, **_: x.node.graph.const(value).expand(x.shape),
    "empty_like": lambda x, **_: x.node.graph.const(0.0).expand(x.shape),
    "new_zeros": lambda x, shape, **_: x.node.graph.const(0.0).expand(shape),
    "new_ones": lambda x, shape, **_: x.node.graph.const(1.0).expand(shape),
    "new_full": lambda x, shape, value, **_: x.node.graph.const(value).expand(shape),
}
