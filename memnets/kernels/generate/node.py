"""Nodes of the graph of one sample's step, and affine views of them.

A view maps each index i of its shape to one index of its node: ``s -> offset[s] + sum_j coefficient[s][j] * i[j]``.
Slices, transposes, broadcasts, splits, flips and windows are views and cost nothing.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .graph import Graph

Shape = tuple[int, ...]


class Node:
    """A value of the step.

    Attributes:
        op: what computes it: a leaf (``x``, ``state``, ``param``, ...), an elementwise function, ``sum`` or ``max``
            over the last axes of its argument, ``assemble``, ``gather``, ``scatter``, ``scan``, ``sort``, ``product``.
        shape: without axes of size 1.
        args: views of other nodes.
        attr: what else tells it from other nodes; plain values.
    """

    __slots__ = ("args", "attr", "graph", "id", "op", "pullback", "shape")

    def __init__(self, graph: "Graph", number: int, op: str, shape: Shape, args: tuple["View", ...], attr: Any):
        self.graph, self.id, self.op, self.shape, self.args, self.attr = graph, number, op, shape, args, attr
        self.pullback: Any = None  # a gradient of its own: d -> [(view, gradient)]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def domain(self) -> Shape:
        """The range over which it is computed: its shape, and for a reduction the reduced axes."""
        return self.args[0].shape if self.op in ("sum", "max") else self.shape

    def whole(self) -> "View":
        """All of it."""
        n = len(self.shape)
        eye = tuple(tuple(int(s == j) for j in range(n)) for s in range(n))
        return View(self, self.shape, (0,) * n, eye)

    def __repr__(self) -> str:
        return f"%{self.id}"


class View:
    """An affine view of a node; see the module's docstring."""

    __slots__ = ("coef", "node", "offset", "shape")

    def __init__(self, node: Node, shape: Sequence[int], offset: Sequence[int], coef: Sequence[Sequence[int]]):
        self.node, self.shape, self.offset = node, tuple(shape), tuple(offset)
        self.coef = tuple(map(tuple, coef))

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two views equal."""
        return self.node.id, self.shape, self.offset, self.coef

    def columns(self, columns: Sequence[Sequence[int]], shape: Sequence[int], offset: Sequence[int] | None = None):
        """A view of the same node whose axes have these coefficients, one sequence an axis."""
        rows = tuple(tuple(c[s] for c in columns) for s in range(len(self.offset)))
        return View(self.node, shape, self.offset if offset is None else offset, rows)

    def column(self, j: int) -> tuple[int, ...]:
        """The coefficients of axis ``j``."""
        return tuple(row[j] for row in self.coef)

    def axis(self, j: int) -> int:
        """``j`` counted from the front."""
        return j % len(self.shape) if self.shape else 0

    def permute(self, dims: Sequence[int]) -> "View":
        """As ``torch.permute``."""
        dims = [self.axis(d) for d in dims]
        return self.columns([self.column(d) for d in dims], [self.shape[d] for d in dims])

    def unsqueeze(self, dim: int) -> "View":
        """As ``torch.unsqueeze``."""
        dim = dim % (len(self.shape) + 1)
        columns = [self.column(j) for j in range(len(self.shape))]
        columns.insert(dim, (0,) * len(self.offset))
        return self.columns(columns, [*self.shape[:dim], 1, *self.shape[dim:]])

    def drop(self, dims: Sequence[int]) -> "View":
        """Without axes of size 1 (or of which index 0 is wanted)."""
        gone = {self.axis(d) for d in dims}
        stay = [j for j in range(len(self.shape)) if j not in gone]
        return self.columns([self.column(j) for j in stay], [self.shape[j] for j in stay])

    def slice(self, dim: int, start: int, size: int, step: int = 1) -> "View":
        """``size`` indices of an axis, from ``start`` on; ``step`` may be negative."""
        dim = self.axis(dim)
        offset = [o + c * start for o, c in zip(self.offset, self.column(dim))]
        columns = [self.column(j) for j in range(len(self.shape))]
        columns[dim] = tuple(c * step for c in columns[dim])
        return self.columns(columns, [size if j == dim else n for j, n in enumerate(self.shape)], offset)

    def select(self, dim: int, index: int) -> "View":
        """As ``torch.select``."""
        return self.slice(dim, index % self.shape[self.axis(dim)], 1).drop([dim])

    def flip(self, dims: Sequence[int]) -> "View":
        """As ``torch.flip``."""
        view = self
        for d in dims:
            view = view.slice(d, view.shape[view.axis(d)] - 1, view.shape[view.axis(d)], -1)
        return view

    def unfold(self, dim: int, size: int, step: int) -> "View":
        """As ``torch.Tensor.unfold``: windows along an axis, the last axis runs within them."""
        dim = self.axis(dim)
        columns = [self.column(j) for j in range(len(self.shape))]
        window = columns[dim]
        columns[dim] = tuple(c * step for c in window)
        count = (self.shape[dim] - size) // step + 1
        shape = [count if j == dim else n for j, n in enumerate(self.shape)]
        return self.columns([*columns, window], [*shape, size])

    def diagonal(self, offset: int, dim1: int, dim2: int) -> "View":
        """As ``torch.diagonal``."""
        a, b = self.axis(dim1), self.axis(dim2)
        view = self.slice(b, max(offset, 0), self.shape[b] - max(offset, 0))
        view = view.slice(a, max(-offset, 0), self.shape[a] - max(-offset, 0))
        size = min(view.shape[a], view.shape[b])
        stay = [j for j in range(len(view.shape)) if j not in (a, b)]
        both = tuple(x + y for x, y in zip(view.column(a), view.column(b)))
        return view.columns([*(view.column(j) for j in stay), both], [*(view.shape[j] for j in stay), size])

    def expand(self, shape: Sequence[int]) -> "View":
        """Broadcast to ``shape``; -1 keeps an axis."""
        view = self
        while len(view.shape) < len(shape):
            view = view.unsqueeze(0)
        full = [n if m == -1 else m for n, m in zip(view.shape, shape)]
        none = (0,) * len(view.offset)
        columns = [view.column(j) if view.shape[j] == full[j] else none for j in range(len(full))]
        return view.columns(columns, full)

    def reshape(self, shape: Sequence[int]) -> "View":
        """Other axes over the same numbers; where axes merge that do not lie in a row, a copy."""
        shape = list(shape)
        if -1 in shape:
            rest = math.prod(n for n in shape if n != -1)
            shape[shape.index(-1)] = math.prod(self.shape) // max(rest, 1)
        if 0 in shape:
            return self.node.graph.const(0.0).expand(shape)
        view = self.drop([j for j, n in enumerate(self.shape) if n == 1])
        merged = view._merge(math.prod(view.shape[:j]) for j in _cuts(view.shape, shape))
        if merged is None:
            merged = view.node.graph.flat(view)
        columns, j, left = [], 0, merged.shape[0] if merged.shape else 1
        for n in shape:
            if n == 1:
                columns.append((0,) * len(merged.offset))
                continue
            if left == 1:
                j += 1
                left = merged.shape[j]
            left //= n
            columns.append(tuple(c * left for c in merged.column(j)))
        return merged.columns(columns, shape)

    def _merge(self, cuts: Any) -> "View | None":
        """One axis for each group of axes between ``cuts`` (positions as products of the sizes before)."""
        cuts = set(cuts)
        columns: list[tuple[int, ...]] = []
        shape: list[int] = []
        done = 1
        for j, n in enumerate(self.shape):
            column = self.column(j)
            if done in cuts or not shape:
                columns.append(column)
                shape.append(n)
            elif columns[-1] == tuple(c * n for c in column):
                columns[-1] = column
                shape[-1] *= n
            else:
                return None
            done *= n
        return self.columns(columns, shape)

    def compose(self, inner: "View") -> "View":
        """``inner``, a view over this view's node's domain, seen through this view."""
        offset = [o + sum(c * p for c, p in zip(row, self.offset)) for o, row in zip(inner.offset, inner.coef)]
        coef = [
            [sum(c * self.coef[k][j] for k, c in enumerate(row)) for j in range(len(self.shape))] for row in inner.coef
        ]
        return View(inner.node, self.shape, offset, coef)

    def is_permutation(self) -> bool:
        """Whether it is all of its node, its axes in any order."""
        used = [row.index(1) for row in self.coef if 1 in row]
        return (
            not any(self.offset)
            and len(self.shape) == len(self.coef) == len(set(used))
            and all(sum(map(abs, row)) == 1 for row in self.coef)
            and all(self.node.shape[s] == self.shape[j] for s, j in enumerate(used))
        )

    def is_whole(self) -> bool:
        """Whether it is its node as it is, but for axes of size 1."""
        view = self.drop([j for j, n in enumerate(self.shape) if n == 1])
        return view.coef == view.node.whole().coef and not any(view.offset) and view.shape == view.node.shape

    def flat_indices(self) -> np.ndarray:
        """For each of its indices, the place in its node's numbers, row-major."""
        index = np.zeros(self.shape, dtype=np.int64)
        stride = 1
        for s in reversed(range(len(self.offset))):
            part = np.full(self.shape, self.offset[s], dtype=np.int64)
            for j, c in enumerate(self.coef[s]):
                if c:
                    part += c * np.arange(self.shape[j]).reshape([-1 if k == j else 1 for k in range(len(self.shape))])
            index += part * stride
            stride *= self.node.shape[s]
        return index

    def _with(self, op: str, other: "View | float", swap: bool = False) -> "View":
        return self.node.graph.map(op, *((other, self) if swap else (self, other)))

    def __add__(self, other: "View | float") -> "View":
        return self._with("add", other)

    def __sub__(self, other: "View | float") -> "View":
        return self._with("sub", other)

    def __mul__(self, other: "View | float") -> "View":
        return self._with("mul", other)

    def __truediv__(self, other: "View | float") -> "View":
        return self._with("div", other)

    def __radd__(self, other: float) -> "View":
        return self._with("add", other, True)

    def __rsub__(self, other: float) -> "View":
        return self._with("sub", other, True)

    def __rmul__(self, other: float) -> "View":
        return self._with("mul", other, True)

    def __rtruediv__(self, other: float) -> "View":
        return self._with("div", other, True)

    def __neg__(self) -> "View":
        return self.node.graph.map("neg", self)


def _cuts(old: Sequence[int], new: Sequence[int]) -> list[int]:
    """Positions j in ``old`` (sizes above 1) before which a boundary of ``new`` lies, too."""
    ends = set(np.cumprod([1, *new]).tolist())
    return [j for j in range(len(old)) if math.prod(old[:j]) in ends]
