"""The graph of one sample's step: nodes whose arguments are affine views of other nodes.

Nodes have no axes of size 1, are made once each (equal nodes are one node), and are numbered in an order in which
arguments come first.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .node import Node, View


class Graph:
    """All nodes of a step."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Any, Node] = {}

    def make(self, op: str, shape: Sequence[int], args: Sequence[View] = (), attr: Any = ()) -> Node:
        """The node with these, made if it is not there."""
        key = (op, tuple(shape), tuple(a.key for a in args), attr)
        if key not in self._known:
            self._known[key] = Node(self, len(self.nodes), op, tuple(shape), tuple(args), attr)
            self.nodes.append(self._known[key])
        return self._known[key]

    def leaf(self, op: str, shape: Sequence[int], attr: Any = ()) -> View:
        """A leaf, with its axes of size 1 in the view."""
        return self.make(op, [n for n in shape if n != 1], (), attr).whole().reshape(shape)

    def const(self, value: float) -> View:
        """A number."""
        return self.make("const", (), (), repr(float(value))).whole()

    def map(self, op: str, *given: "View | float") -> View:
        """An elementwise function of views that broadcast."""
        views = [g if isinstance(g, View) else self.const(g) for g in given]
        shape = np.broadcast_shapes(*(v.shape for v in views))
        if 0 in shape:
            return self.const(0.0).expand(shape)
        simple = _simplified(op, views, shape)
        if simple is not None:
            return simple
        ones = [j for j, n in enumerate(shape) if n == 1]
        args = [v.expand(shape).drop(ones) for v in views]
        node = self.make(op, [n for n in shape if n != 1], args)
        return node.whole().reshape(shape)

    def reduce(self, op: str, view: View, dims: Sequence[int], keep: bool = False) -> View:
        """``sum`` or ``max`` over axes. Short sums are written out."""
        gone = sorted({view.axis(d) for d in dims})
        stay = [j for j in range(len(view.shape)) if j not in gone]
        inner = [j for j in gone if view.shape[j] != 1]
        shape = [1 if j in gone else n for j, n in enumerate(view.shape)]
        if 0 in view.shape:
            result = self.const(0.0 if op == "sum" else -math.inf).expand(shape)
        elif not inner:
            result = view
        elif math.prod(view.shape[j] for j in inner) <= 4 and len([j for j in stay if view.shape[j] > 1]) > 1:
            result = self._written_out("add" if op == "sum" else "maximum", view, inner)
        else:
            outer = [j for j in stay if view.shape[j] != 1]
            arg = view.permute([*outer, *inner, *(j for j, n in enumerate(view.shape) if n == 1)])
            arg = arg.drop(range(len(outer) + len(inner), len(arg.shape)))
            node = self.make(op, [view.shape[j] for j in outer], [arg], len(inner))
            result = node.whole().reshape(shape)
        return result if keep else result.reshape([view.shape[j] for j in stay])

    def _written_out(self, op: str, view: View, dims: Sequence[int]) -> View:
        for d in dims:
            parts = [self.pushed(view.slice(d, i, 1)) for i in range(view.shape[d])]
            view = parts[0]
            for part in parts[1:]:
                view = self.map(op, view, part)
        return view

    def pushed(self, view: View) -> View:
        """A view of an elementwise node as the same function of views, which leaves no piece for its gradient."""
        node = view.node
        if node.op not in ("mul", "add", "sub") or node.pullback:
            return view
        return self.map(node.op, *(view.compose(a) for a in node.args))

    def matmul(self, a: View, b: View) -> View:
        """``(..., I, K) @ (..., K, J)``; of a single row with all of a parameter, a product of its own."""
        weight = b.node
        if weight.op == "param" and len(weight.shape) == len(b.shape) == 2 and b.is_permutation() and a.shape[-2] == 1:
            turned = b.coef[0][0] == 0
            product = self._product(a.reshape([a.shape[-1]]), weight.attr, turned, b.shape[1])
            return product.whole().reshape([*a.shape[:-1], b.shape[1]])
        return self.reduce("sum", self.map("mul", a.unsqueeze(-1), b.unsqueeze(-3)), [-2])

    def _product(self, x: View, param: int, turned: bool, size: int) -> Node:
        """A parameter times a vector; of parts put together, the sum of their products.

        The node's attribute is (terms, biases): for each argument (parameter, whether it lies (out, in), the first of
        its columns that counts, how many do), and parameters that are added.
        """
        node = x.node
        if node.op == "assemble" and node.attr[:2] == ("set", False) and x.is_whole() and len(node.shape) == 1:
            starts = [(shape[0], offset[0]) for shape, offset, _ in node.attr[2] if len(shape) == 1]
            if len(starts) == len(node.args):
                terms = tuple((param, turned, start, length) for length, start in starts)
                return self.make("product", [size], node.args, (terms, ()))
        return self.make("product", [size], [x], (((param, turned, 0, x.shape[0]),), ()))

    def assemble(self, shape: Sequence[int], pieces: Sequence[tuple[View, View]], base: View | None, mode: str) -> Node:
        """Numbers put together: ``pieces`` of a value and the place it goes to, a view of the result.

        Args:
            shape: of the result, without axes of size 1.
            pieces: each (value, target): of target only offset and coefficients are taken.
            base: what stands where no piece goes; None for nothing (pieces cover all).
            mode: "set" or "add".
        """
        maps = tuple((t.shape, t.offset, t.coef) for _, t in pieces)
        args = [v for v, _ in pieces] + ([base] if base is not None else [])
        return self.make("assemble", shape, args, (mode, base is not None, maps))

    def flat(self, view: View) -> View:
        """A copy with one axis."""
        size = math.prod(view.shape)
        strides = [math.prod(view.shape[j + 1 :]) for j in range(len(view.shape))]
        place = View(view.node, view.shape, (0,), (strides,))
        return self.assemble([size], [(view, place)], None, "set").whole()

    def cat(self, views: Sequence[View], dim: int) -> View:
        """Views one after another along an axis."""
        dim = views[0].axis(dim)
        views = [v for v in views if v.shape[dim]]
        shape = [sum(v.shape[dim] for v in views) if j == dim else n for j, n in enumerate(views[0].shape)]
        if len(views) == 1:
            return views[0]
        axes = [j for j, n in enumerate(shape) if n != 1]
        pieces, start = [], 0
        for v in views:
            own = [j for j in axes if v.shape[j] != 1]
            coef = [[int(j == s) for j in own] for s in axes]
            place = View(v.node, [v.shape[j] for j in own], [start if s == dim else 0 for s in axes], coef)
            pieces.append((v.drop([j for j in range(len(shape)) if j not in own]), place))
            start += v.shape[dim]
        return self.assemble([shape[j] for j in axes], pieces, None, "set").whole().reshape(shape)


def _number(view: View) -> float | None:
    return float(view.node.attr) if view.node.op == "const" else None


def _simplified(op: str, views: Sequence[View], shape: Sequence[int]) -> View | None:
    """x + 0, x - 0, x * 1, x / 1 and -(-x) need no node."""
    if op == "neg" and views[0].node.op == "neg":
        return views[0].compose(views[0].node.args[0])
    if op not in ("add", "sub", "mul", "div"):
        return None
    if op == "add":
        merged = _merged(views)
        if merged is not None:
            return merged.whole().reshape(shape)
    a, b = _number(views[0]), _number(views[1])
    graph = views[0].node.graph
    if a is not None and b is not None and not (op == "div" and b == 0):
        value = {"add": a + b, "sub": a - b, "mul": a * b, "div": a / (b or 1)}[op]
        return graph.const(value).expand(shape)
    neutral = 0.0 if op in ("add", "sub") else 1.0
    if b == neutral:
        return views[0].expand(shape)
    if a == neutral and op in ("add", "mul"):
        return views[1].expand(shape)
    return None


def _merged(views: Sequence[View]) -> Node | None:
    """Products with parameters and biases that are added: one product."""
    nodes = [v.node for v in views]
    if not all(v.is_whole() and n.op in ("product", "param") and len(n.shape) == 1 for v, n in zip(views, nodes)):
        return None
    products = [n for n in nodes if n.op == "product"]
    if not products or nodes[0].shape != nodes[1].shape:
        return None
    terms = [t for n in products for t in n.attr[0]]
    biases = [b for n in nodes for b in (n.attr[1] if n.op == "product" else [n.attr])]
    args = [a for n in products for a in n.args]
    return nodes[0].graph.make("product", nodes[0].shape, args, (tuple(terms), tuple(biases)))
