"""Reductions and products."""

import math
from collections.abc import Sequence
from typing import Any

from ..node import View
from .elementwise import where
from .order import cumulative, extreme
from .rule import NoRuleError, Rule, apply


def _dims(x: View, dims: Any) -> list[int]:
    if dims is None or (isinstance(dims, (list, tuple)) and not dims):
        return list(range(len(x.shape)))
    return [dims] if isinstance(dims, int) else list(dims)


def _sum(x: View, dims: Any = None, keepdim: bool = False, **_: Any) -> View:
    return x.node.graph.reduce("sum", x, _dims(x, dims), keepdim)


def _mean(x: View, dims: Any = None, keepdim: bool = False, **_: Any) -> View:
    count = math.prod(x.shape[d] for d in _dims(x, dims))
    return _sum(x, dims, keepdim) * (1.0 / count)


def _amax(x: View, dims: Any = (), keepdim: bool = False) -> View:
    return x.node.graph.reduce("max", x, _dims(x, dims), keepdim)


def _softmax(x: View, dim: int, half_to_float: bool = False) -> View:
    """With the short gradient y (d - sum(d y)); one written out node by node knows nothing of the sum being 1."""
    graph = x.node.graph
    shifted = graph.map("exp", x - _stop(_amax(x, dim, True)))
    y = shifted / _sum(shifted, dim, True)

    def pull(d: View) -> list[tuple[View, View]]:
        d = d.reshape(x.shape)
        return [(x, y * (d - _sum(d * y, dim, True)))]

    if y.node.op == "div":
        y.node.pullback = pull
    return y


def _log_softmax(x: View, dim: int, half_to_float: bool = False) -> View:
    return x - _logsumexp(x, dim, True)


def _logsumexp(x: View, dims: Any, keepdim: bool = False) -> View:
    top = _stop(_amax(x, dims, True))
    total = apply("log")(_sum(apply("exp")(x - top), dims, True)) + top
    return total if keepdim else total.drop(_dims(x, dims))


def _stop(x: View) -> View:
    return apply("stop")(x)


def _prod(x: View, dim: int | None = None, keepdim: bool = False, **_: Any) -> View:
    if dim is None:
        x, dim = x.reshape([-1]), 0
    if x.shape[x.axis(dim)] > 8:
        last = cumulative("product")(x, dim).slice(dim, x.shape[x.axis(dim)] - 1, 1)
        return last if keepdim else last.drop([dim])
    parts = [x.slice(dim, i, 1) for i in range(x.shape[x.axis(dim)])]
    y = parts[0]
    for part in parts[1:]:
        y = y * part
    return y if keepdim else y.drop([dim])


def _norm(x: View, order: float = 2, dims: Any = None, keepdim: bool = False, **_: Any) -> View:
    if order == 1:
        return _sum(apply("abs")(x), dims, keepdim)
    if order != 2:
        raise NoRuleError(f"a norm of order {order}")
    y = apply("sqrt")(_sum(x * x, dims, True))

    def pull(d: View) -> list[tuple[View, View]]:
        d = d.reshape(y.shape)
        return [(x, where(apply("eq")(y, 0.0), 0.0, x * (d / y)))]

    if y.node.op == "sqrt":
        y.node.pullback = pull
    return y if keepdim else y.drop(_dims(x, dims))


def _var(x: View, dims: Any = None, *, correction: float | None = 1, keepdim: bool = False, **_: Any) -> View:
    centred = x - _mean(x, dims, True)
    count = math.prod(x.shape[d] for d in _dims(x, dims)) - (1 if correction is None else correction)
    return _sum(centred * centred, dims, keepdim) * (1.0 / count if count else math.inf)


def _layer_norm(x: View, shape: Sequence[int], weight: View | None, bias: View | None, eps: float) -> Any:
    dims = list(range(len(x.shape) - len(shape), len(x.shape)))
    centred = x - _mean(x, dims, True)
    scale = apply("rsqrt")(_mean(centred * centred, dims, True) + eps)
    y = centred * scale
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias), None, None


def _addmm(bias: View, a: View, b: View, *, beta: float = 1, alpha: float = 1) -> View:
    product = a.node.graph.matmul(a, b) if alpha == 1 else a.node.graph.matmul(a, b) * alpha
    return (bias if beta == 1 else bias * beta) + product


def _mv(a: View, b: View) -> View:
    return a.node.graph.matmul(a, b.unsqueeze(-1)).drop([-1])


def _dot(a: View, b: View) -> View:
    return _sum(a * b)


REDUCTIONS: dict[str, Rule] = {
    "sum": _sum,
    "mean": _mean,
    "amax": _amax,
    "amin": lambda x, dims=(), keepdim=False: -_amax(-x, dims, keepdim),
    "_softmax": _softmax,
    "_log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "prod": _prod,
    "linalg_vector_norm": _norm,
    "norm": _norm,
    "var": _var,
    "std": lambda *a, **k: apply("sqrt")(_var(*a, **k)),
    "native_layer_norm": _layer_norm,
    "mm": lambda a, b: a.node.graph.matmul(a, b),
    "bmm": lambda a, b: a.node.graph.matmul(a, b),
    "addmm": _addmm,
    "baddbmm": _addmm,
    "linear": lambda x, weight, bias=None: (
        x.node.graph.matmul(x, weight.permute([1, 0])) + (0.0 if bias is None else bias)
    ),
    "mv": _mv,
    "dot": _dot,
    "max": lambda x, *a: extreme(True)(x, *a) if a else _amax(x),
    "min": lambda x, *a: extreme(False)(x, *a) if a else -_amax(-x),
}
