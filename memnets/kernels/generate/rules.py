"""What each ATen operator is in a graph. ``VIEWS`` are those whose result shares its argument's numbers."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from .graph import Graph, View

Rule = Callable[..., Any]


class NoRuleError(Exception):
    """An operator, or a way of using one, that the generator does not know."""


def _graph(*given: Any) -> Graph:
    for g in given:
        if isinstance(g, View):
            return g.node.graph
        if isinstance(g, (list, tuple)) and g and isinstance(g[0], View):
            return g[0].node.graph
    raise NoRuleError("it was given no tensor of the step")


def _map(op: str) -> Rule:
    return lambda *given, **_: _graph(*given).map(op, *given)


# ---- Views ----


def _slice(x: View, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> View:
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
    "slice": _slice,
    "select": lambda x, dim, index: x.select(dim, index),
    "split": _split,
    "split_with_sizes": _split,
    "unbind": lambda x, dim=0: [x.select(dim, i) for i in range(x.shape[x.axis(dim)])],
    "unfold": lambda x, dim, size, step: x.unfold(dim, size, step),
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: x.diagonal(offset, dim1, dim2),
}

# ---- Elementwise ----


def _scaled(op: str) -> Rule:
    return lambda a, b, *, alpha=1: _graph(a, b).map(op, a, b if alpha == 1 else b * alpha)


def _clamp(x: View, low: Any = None, high: Any = None) -> View:
    """Its gradient is that of x where x lies within the bounds, both ends counted."""
    graph, y = x.node.graph, x
    if low is not None:
        y = graph.map("where", graph.map("lt", y, low), low, y)
    if high is not None:
        y = graph.map("where", graph.map("gt", y, high), high, y)
    return y


def _pow(x: Any, p: Any) -> View:
    if isinstance(p, (int, float)) and p in (1, 2, 3, 0.5, -0.5, -1):
        return {
            1: lambda: x,
            2: lambda: x * x,
            3: lambda: x * x * x,
            0.5: lambda: _map("sqrt")(x),
            -0.5: lambda: _map("rsqrt")(x),
            -1: lambda: 1.0 / x,
        }[p]()
    return _graph(x, p).map("pow", x, p)


def _softplus(x: View, beta: float = 1, threshold: float = 20) -> View:
    if (beta, threshold) != (1, 20):
        raise NoRuleError("softplus with beta or threshold")
    return _map("softplus")(x)


def _gelu(x: View, *, approximate: str = "none") -> View:
    if approximate == "tanh":
        return x * 0.5 * (1.0 + _map("tanh")((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)))
    return x * 0.5 * (1.0 + _map("erf")(x * math.sqrt(0.5)))


def _elu(x: View, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> View:
    graph = x.node.graph
    below = graph.map("expm1", graph.map("minimum", x * input_scale, 0.0)) * (alpha * scale)
    return graph.map("where", graph.map("gt", x, 0.0), x * scale, below)


def _lerp(start: View, end: View, weight: Any) -> View:
    return start + (end - start) * weight


def _where(condition: View, yes: Any, no: Any) -> View:
    return condition.node.graph.map("where", condition, yes, no)


def _times(a: View, b: View, value: float) -> View:
    return a * b if value == 1 else -(a * b) if value == -1 else a * b * value


_SAME = (
    *("exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "sigmoid", "sin", "cos", "erf", "abs", "relu"),
    *("sign", "neg", "maximum", "minimum", "gt", "ge", "lt", "le", "eq", "ne", "floor", "ceil", "round", "trunc"),
)

ELEMENTWISE: dict[str, Rule] = {
    **{op: _map(op) for op in _SAME},
    "add": _scaled("add"),
    "sub": _scaled("sub"),
    "rsub": lambda a, b, alpha=1: _graph(a, b).map("sub", b, a if alpha == 1 else a * alpha),
    "mul": _map("mul"),
    "div": lambda a, b, rounding_mode=None: _divided(a, b, rounding_mode),
    "remainder": lambda a, b: a - _map("floor")(a / b) * b,
    "copy": lambda x, source, *_: source.expand(x.shape),
    "fill": lambda x, value: (value if isinstance(value, View) else x.node.graph.const(value)).expand(x.shape),
    "zero": lambda x: x.node.graph.const(0.0).expand(x.shape),
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1.0 / x,
    "pow": _pow,
    "clamp": _clamp,
    "clamp_min": lambda x, low: _clamp(x, low),
    "clamp_max": lambda x, high: _clamp(x, None, high),
    "hardtanh": lambda x, low=-1, high=1: _clamp(x, low, high),
    "softplus": _softplus,
    "log_sigmoid_forward": lambda x: (-_map("softplus")(-x), x),
    "silu": lambda x: x * _map("sigmoid")(x),
    "gelu": _gelu,
    "elu": _elu,
    "leaky_relu": lambda x, slope=0.01: _where(_map("gt")(x, 0.0), x, x * slope),
    "threshold": lambda x, threshold, value: _where(_map("gt")(x, threshold), x, value),
    "lerp": _lerp,
    "addcmul": lambda x, a, b, *, value=1: x + _times(a, b, value),
    "addcdiv": lambda x, a, b, *, value=1: x + (a / b if value == 1 else a / b * value),
    "where": _where,
    "masked_fill": lambda x, mask, value: _where(mask, value, x),
    "logical_not": lambda x: _map("eq")(x, 0.0),
    "bitwise_not": lambda x: _map("eq")(x, 0.0),
    "logical_and": lambda a, b: _where(a, _map("ne")(b, 0.0), 0.0),
    "bitwise_and": lambda a, b: _where(a, _map("ne")(b, 0.0), 0.0),
    "logical_or": lambda a, b: _where(a, 1.0, _map("ne")(b, 0.0)),
    "bitwise_or": lambda a, b: _where(a, 1.0, _map("ne")(b, 0.0)),
    "clone": lambda x, **_: x,
    "contiguous": lambda x, **_: x,
    "_to_copy": lambda x, **_: x,
    "lift_fresh_copy": lambda x: x,
}


def _divided(a: Any, b: Any, rounding_mode: str | None) -> View:
    result = _graph(a, b).map("div", a, b)
    return result if rounding_mode is None else _map(rounding_mode)(result)


# ---- Reductions ----


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
    total = _map("log")(_sum(_map("exp")(x - top), dims, True)) + top
    return total if keepdim else total.drop(_dims(x, dims))


def _stop(x: View) -> View:
    return _map("stop")(x)


def _prod(x: View, dim: int | None = None, keepdim: bool = False, **_: Any) -> View:
    if dim is None:
        x, dim = x.reshape([-1]), 0
    if x.shape[x.axis(dim)] > 8:
        last = _cumulative("product")(x, dim).slice(dim, x.shape[x.axis(dim)] - 1, 1)
        return last if keepdim else last.drop([dim])
    parts = [x.slice(dim, i, 1) for i in range(x.shape[x.axis(dim)])]
    y = parts[0]
    for part in parts[1:]:
        y = y * part
    return y if keepdim else y.drop([dim])


def _norm(x: View, order: float = 2, dims: Any = None, keepdim: bool = False, **_: Any) -> View:
    if order == 1:
        return _sum(_map("abs")(x), dims, keepdim)
    if order != 2:
        raise NoRuleError(f"a norm of order {order}")
    y = _map("sqrt")(_sum(x * x, dims, True))

    def pull(d: View) -> list[tuple[View, View]]:
        d = d.reshape(y.shape)
        return [(x, _where(_map("eq")(y, 0.0), 0.0, x * (d / y)))]

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
    scale = _map("rsqrt")(_mean(centred * centred, dims, True) + eps)
    y = centred * scale
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias), None, None


# ---- Products ----


def _addmm(bias: View, a: View, b: View, *, beta: float = 1, alpha: float = 1) -> View:
    product = a.node.graph.matmul(a, b) if alpha == 1 else a.node.graph.matmul(a, b) * alpha
    return (bias if beta == 1 else bias * beta) + product


def _mv(a: View, b: View) -> View:
    return a.node.graph.matmul(a, b.unsqueeze(-1)).drop([-1])


def _dot(a: View, b: View) -> View:
    return _sum(a * b)


# ---- Order, places ----


def _cumulative(kind: str) -> Rule:
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


def _extreme(descending: bool) -> Rule:
    def rule(x: View, dim: int, keepdim: bool = False) -> tuple[View, View]:
        index = _argsort(x, dim, descending).slice(dim, 0, 1)
        found = gather(x, dim, index), index
        return found if keepdim else (found[0].drop([dim]), found[1].drop([dim]))

    return rule


def _argmax(x: View, dim: int | None = None, keepdim: bool = False) -> View:
    if dim is None:
        x, dim = x.reshape([-1]), 0
    return _extreme(True)(x, dim, keepdim)[1]


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
    index = _map("where")(_map("lt")(index, 0.0), index + float(x.shape[dim]), index)
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
        return _where(graph.map("ge" if upper else "le", column - row, float(diagonal)), x, 0.0)

    return rule


def _scatter_slice(x: View, value: View, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> View:
    return put(x, _slice(x, dim, start, end, step), value)


def put(x: View, place: View, value: View) -> View:
    """``x`` with ``value`` at ``place``, a view of x's node that takes part of it."""
    if not x.is_whole():
        ones = [j for j, n in enumerate(x.shape) if n == 1]
        raise NoRuleError(f"a change in place of a view of shape {tuple(x.shape)} without {ones}")
    ones = [j for j, n in enumerate(place.shape) if n == 1]
    value, place = value.expand(place.shape).drop(ones), place.drop(ones)
    base = x.node.whole()
    return x.node.graph.assemble(x.node.shape, [(value, place)], base, "set").whole().reshape(x.shape)


OTHERS: dict[str, Rule] = {
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
    "std": lambda *a, **k: _map("sqrt")(_var(*a, **k)),
    "native_layer_norm": _layer_norm,
    "mm": lambda a, b: a.node.graph.matmul(a, b),
    "bmm": lambda a, b: a.node.graph.matmul(a, b),
    "addmm": _addmm,
    "baddbmm": _addmm,
    "linear": lambda x, weight, bias=None: (
        x.node.graph.matmul(x, _transpose(weight, 0, 1)) + (0.0 if bias is None else bias)
    ),
    "mv": _mv,
    "dot": _dot,
    "cumsum": _cumulative("sum"),
    "cumprod": _cumulative("product"),
    "sort": _sort,
    "topk": _topk,
    "max": lambda x, *a: _extreme(True)(x, *a) if a else _amax(x),
    "min": lambda x, *a: _extreme(False)(x, *a) if a else -_amax(-x),
    "argmax": _argmax,
    "argsort": lambda x, dim=-1, descending=False, **_: _argsort(x, dim, descending),
    "gather": gather,
    "scatter": _scatter("set"),
    "scatter_add": _scatter("add"),
    "index": _index,
    "index_select": lambda x, dim, index: _index(x, [*[None] * x.axis(dim), index]),
    "roll": _roll,
    "flip": lambda x, dims: x.flip(dims),
    "constant_pad_nd": _pad,
    "repeat": _repeat,
    "unsafe_split": _split,
    "unsafe_split_with_sizes": _split,
    "cat": lambda views, dim=0: _graph(views).cat(views, dim),
    "stack": lambda views, dim=0: _graph(views).cat([v.unsqueeze(dim) for v in views], dim % (len(views[0].shape) + 1)),
    "tril": _triangle(False),
    "triu": _triangle(True),
    "slice_scatter": _scatter_slice,
    "zeros_like": lambda x, **_: x.node.graph.const(0.0).expand(x.shape),
    "ones_like": lambda x, **_: x.node.graph.const(1.0).expand(x.shape),
    "full_like": lambda x, value, **_: x.node.graph.const(value).expand(x.shape),
    "empty_like": lambda x, **_: x.node.graph.const(0.0).expand(x.shape),
    "new_zeros": lambda x, shape, **_: x.node.graph.const(0.0).expand(shape),
    "new_ones": lambda x, shape, **_: x.node.graph.const(1.0).expand(shape),
    "new_full": lambda x, shape, value, **_: x.node.graph.const(value).expand(shape),
}

RULES: dict[str, Rule] = {**ELEMENTWISE, **OTHERS}
