"""Reverse-mode differentiation of a graph, node by node, into the same graph.

A gradient through a view is a sum over the axes that the view repeats, then either the same numbers in another order
or a piece of an ``assemble``. Operations whose gradients PyTorch builds from many parts (cumulative products, sorts,
softmax) have one of their own.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .graph import Graph
from .node import Node, View

Parts = list[tuple[View, View]]


def gradients(roots: Iterable[tuple[View, View]], graph: Graph) -> dict[Node, View]:
    """The gradient of each node that the roots depend on.

    Args:
        roots: (a view, the gradient it is given, of the same shape).
        graph: to which the gradients are added.
    """
    found: dict[Node, Parts] = {}
    for view, grad in roots:
        found.setdefault(view.node, []).append((grad, view))
    last = max((node.id for node in found), default=-1)
    result: dict[Node, View] = {}
    for node in reversed(graph.nodes[: last + 1]):
        if node not in found:
            continue
        d = _total(node, found.pop(node))
        result[node] = d
        for view, grad in node.pullback(d) if node.pullback else _pull(node, d):
            if grad is not None:
                found.setdefault(view.node, []).append((grad, view))
    return result


def _total(node: Node, parts: Parts) -> View:
    """The sum of what reaches a node."""
    graph = node.graph
    full: list[View] = []
    pieces: Parts = []
    for grad, place in parts:
        ones = [j for j, n in enumerate(place.shape) if n == 1]
        grad, place = grad.expand(place.shape).drop(ones), place.drop(ones)
        repeated = [j for j in range(len(place.shape)) if not any(place.column(j))]
        grad, place = graph.reduce("sum", grad, repeated) if repeated else grad, place.drop(repeated)
        if place.is_permutation():
            order = [row.index(1) for row in place.coef]
            full.append(grad.permute(order))
        else:
            pieces += _injective(grad, place)
    total = None
    for grad in full:
        total = grad if total is None else total + grad
    if not pieces:
        assert total is not None
        return total
    indices = np.concatenate([place.flat_indices().ravel() for _, place in pieces])
    unique = len(np.unique(indices))
    if total is None and unique == len(indices):
        base = None if unique == node.size else graph.const(0.0).expand(node.shape)
        return graph.assemble(node.shape, pieces, base, "set").whole()
    base = graph.const(0.0).expand(node.shape) if total is None else total
    return graph.assemble(node.shape, pieces, base, "add").whole()


def _injective(grad: View, place: View) -> Parts:
    """Pieces of which none goes to one place twice: windows that overlap are cut apart."""
    indices = place.flat_indices()
    if len(np.unique(indices)) == indices.size:
        return [(grad, place)]
    short = min(range(len(place.shape)), key=lambda j: (place.shape[j], -j))
    parts: Parts = []
    for i in range(place.shape[short]):
        parts += _injective(grad.select(short, i), place.select(short, i))
    return parts


def _pull(node: Node, d: View) -> Iterable[tuple[View, View | None]]:
    """(argument, its gradient) for each argument of a node whose gradient is ``d``."""
    if node.op in _ELEMENTWISE:
        return zip(node.args, _ELEMENTWISE[node.op](d, node.whole(), *node.args))
    if node.op in _OTHERS:
        return _OTHERS[node.op](node, d)
    return ()


def _zero(d: View) -> View:
    return d.node.graph.const(0.0)


def _where(condition: View, yes: Any, no: Any) -> View:
    return condition.node.graph.map("where", condition, yes, no)


def _is(op: str, a: Any, b: Any) -> View:
    return (a if isinstance(a, View) else b).node.graph.map(op, a, b)


def _func(op: str, x: View) -> View:
    return x.node.graph.map(op, x)


def _larger(d: View, y: View, a: View, b: View, op: str) -> tuple[View, View]:
    """Whole where the other is not beyond it, ``op`` (a number is not beyond NaN), halves where they are equal."""
    shared = _where(_is("eq", a, b), d * 0.5, d)
    return _where(_is(op, b, a), _zero(d), shared), _where(_is(op, a, b), _zero(d), shared)


_ELEMENTWISE: dict[str, Callable[..., tuple[View | None, ...]]] = {
    "add": lambda d, y, a, b: (d, d),
    "sub": lambda d, y, a, b: (d, -d),
    "mul": lambda d, y, a, b: (d * b, d * a),
    "div": lambda d, y, a, b: (d / b, -(d * y / b)),
    "neg": lambda d, y, x: (-d,),
    "copy": lambda d, y, x: (d,),
    "exp": lambda d, y, x: (d * y,),
    "log": lambda d, y, x: (d / x,),
    "log1p": lambda d, y, x: (d / (x + 1.0),),
    "expm1": lambda d, y, x: (d * (y + 1.0),),
    "sqrt": lambda d, y, x: (d / (y * 2.0),),
    "rsqrt": lambda d, y, x: (d * (y * y * y) * -0.5,),
    "tanh": lambda d, y, x: (d * (1.0 - y * y),),
    "sigmoid": lambda d, y, x: (d * (y * (1.0 - y)),),
    "softplus": lambda d, y, x: (d * _func("sigmoid", x),),
    "sin": lambda d, y, x: (d * _func("cos", x),),
    "cos": lambda d, y, x: (-(d * _func("sin", x)),),
    "erf": lambda d, y, x: (d * (_func("exp", -(x * x)) * 1.1283791670955126),),
    "abs": lambda d, y, x: (d * _func("sign", x),),
    "relu": lambda d, y, x: (_where(_is("le", y, 0.0), _zero(d), d),),
    "maximum": lambda d, y, a, b: _larger(d, y, a, b, "gt"),
    "minimum": lambda d, y, a, b: _larger(d, y, a, b, "lt"),
    "where": lambda d, y, c, a, b: (None, _where(c, d, _zero(d)), _where(c, _zero(d), d)),
    "pow": lambda d, y, x, p: _power(d, y, x, p),
}


def _power(d: View, y: View, x: View, p: View) -> tuple[View | None, View | None]:
    graph = d.node.graph
    dx = d * p * graph.map("pow", x, p - 1.0)
    dx = _where(_is("eq", p, 0.0), _zero(d), dx)
    if p.node.op == "const":
        return dx, None
    at_zero = _where(_is("ge", p, 0.0), _zero(d), d * y * _func("log", x))
    return dx, _where(_is("eq", x, 0.0), at_zero, d * y * _func("log", x))


def _sum(node: Node, d: View) -> Iterable[tuple[View, View]]:
    return [(node.args[0], _spread(node, d))]


def _spread(node: Node, d: View) -> View:
    """A reduction's result, or its gradient, over the range that was reduced."""
    for _ in range(node.attr):
        d = d.unsqueeze(len(d.shape))
    return d.expand(node.args[0].shape)


def _max(node: Node, d: View) -> Iterable[tuple[View, View]]:
    """Shared by the equal largest, as ``torch.amax`` does."""
    arg = node.args[0]
    dims = range(len(node.shape), len(arg.shape))
    hit = _where(_is("eq", arg, _spread(node, node.whole())), 1.0, 0.0)
    share = _spread(node, d / node.graph.reduce("sum", hit, dims))
    return [(arg, share * hit)]


def _assemble(node: Node, d: View) -> Iterable[tuple[View, View]]:
    mode, based, maps = node.attr
    parts: Parts = []
    places = [View(node, shape, offset, coef) for shape, offset, coef in maps]
    for value, place in zip(node.args, places):
        parts.append((value, place.compose(d)))
    if based:
        rest = d
        if mode == "set":
            zero = node.graph.const(0.0)
            blank = [(zero.expand(p.shape), p) for p in places]
            rest = node.graph.assemble(node.shape, blank, d, "set").whole()
        parts.append((node.args[-1], rest))
    return parts


def _gather(node: Node, d: View) -> Iterable[tuple[View, View]]:
    """To where each number came from."""
    source, index = node.args
    graph, target = node.graph, source.node
    zero = graph.const(0.0).expand(target.shape)
    place = (source.shape, source.offset, source.coef)
    add = graph.make("scatter", target.shape, (zero, index, d), ("add", node.attr, place))
    return [(target.whole(), add.whole())]


def _scatter(node: Node, d: View) -> Iterable[tuple[View, View]]:
    base, index, value = node.args
    mode, steps, (shape, offset, coef) = node.attr
    graph = node.graph
    parts: Parts = []
    source = View(d.node, shape, offset, coef) if d.is_whole() else None
    if source is None:  # what is gathered must lie as the scattered does
        source = View(graph.make("copy", node.shape, (d,)), shape, offset, coef)
    parts.append((value, graph.make("gather", shape, (source, index), steps).whole()))
    if mode == "set":
        zero = graph.const(0.0).expand(value.shape)
        d = graph.make("scatter", node.shape, (d, index, zero), node.attr).whole()
    parts.append((base, d))
    return parts


def _scan(node: Node, d: View) -> Iterable[tuple[View, View]]:
    """Cumulative sums and products without a division: R_k = d_k + x_(k+1) R_(k+1) for products."""
    kind, axis, reverse = node.attr
    graph, x = node.graph, node.args[0]
    if kind == "sum":
        return [(x, graph.make("scan", node.shape, (d,), ("sum", axis, not reverse)).whole())]
    rest = graph.make("scan", node.shape, (d, x), ("linear", axis, not reverse)).whole()
    before = graph.make("scan", node.shape, (x,), ("exclusive", axis, reverse)).whole()
    return [(x, before * rest)]


def _product(node: Node, d: View) -> Iterable[tuple[View, View]]:
    """One product gives the gradients of all that was multiplied but the inputs, which get theirs after the loop."""
    graph = node.graph
    terms = [(arg, term) for arg, term in zip(node.args, node.attr[0]) if arg.node.op != "x"]
    if not terms:
        return []
    size = sum(term[3] for _, term in terms)
    back = graph.make("product_t", [size], (d,), (node.id, tuple(term for _, term in terms))).whole()
    parts, start = [], 0
    for arg, term in terms:
        parts.append((arg, back.slice(0, start, term[3])))
        start += term[3]
    return parts


_OTHERS: dict[str, Callable[[Node, View], Iterable[tuple[View, View | None]]]] = {
    "sum": _sum,
    "max": _max,
    "assemble": _assemble,
    "gather": _gather,
    "scatter": _scatter,
    "scan": _scan,
    "product": _product,
}
