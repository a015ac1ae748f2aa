"""Operators of one number at a time."""

import math
from typing import Any

from ..node import View
from .rule import NoRuleError, Rule, apply, graph_of


def _scaled(op: str) -> Rule:
    return lambda a, b, *, alpha=1: graph_of(a, b).map(op, a, b if alpha == 1 else b * alpha)


def _clamp(x: View, low: Any = None, high: Any = None) -> View:
    """Its gradient is that of x where x lies within the bounds, both ends counted, and zero where x is no number."""
    graph, y = x.node.graph, x
    for bound, inside, outside in ((low, "ge", "lt"), (high, "le", "gt")):
        if bound is not None:
            other = graph.map("where", graph.map(outside, y, bound), bound, graph.map("stop", y))
            y = graph.map("where", graph.map(inside, y, bound), y, other)
    return y


def _hardtanh(x: View, low: float = -1, high: float = 1) -> View:
    """Its gradient is that of x where x is no number either."""
    graph = x.node.graph
    y = graph.map("where", graph.map("lt", x, low), low, x)
    return graph.map("where", graph.map("gt", y, high), high, y)


def _pow(x: Any, p: Any) -> View:
    if isinstance(p, (int, float)) and p in (1, 2, 3, 0.5, -0.5, -1):
        return {
            1: lambda: x,
            2: lambda: x * x,
            3: lambda: x * x * x,
            0.5: lambda: apply("sqrt")(x),
            -0.5: lambda: apply("rsqrt")(x),
            -1: lambda: 1.0 / x,
        }[p]()
    return graph_of(x, p).map("pow", x, p)


def _softplus(x: View, beta: float = 1, threshold: float = 20) -> View:
    if (beta, threshold) != (1, 20):
        raise NoRuleError("softplus with beta or threshold")
    return apply("softplus")(x)


def _gelu(x: View, *, approximate: str = "none") -> View:
    if approximate == "tanh":
        return x * 0.5 * (1.0 + apply("tanh")((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)))
    return x * 0.5 * (1.0 + apply("erf")(x * math.sqrt(0.5)))


def _elu(x: View, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> View:
    graph = x.node.graph
    low = graph.map("le", x, 0.0)  # of x alone, as 0 times what is no number is none
    below = graph.map("expm1", graph.map("where", low, x * input_scale, 0.0)) * (alpha * scale)
    return graph.map("where", low, below, x * scale)


def _lerp(start: View, end: View, weight: Any) -> View:
    return start + (end - start) * weight


def where(condition: View, yes: Any, no: Any) -> View:
    """``yes`` where the condition is not zero, else ``no``."""
    return condition.node.graph.map("where", condition, yes, no)


def _times(a: View, b: View, value: float) -> View:
    return a * b if value == 1 else -(a * b) if value == -1 else a * b * value


_SAME = (
    *("exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "sigmoid", "sin", "cos", "erf", "abs", "relu"),
    *("sign", "neg", "maximum", "minimum", "gt", "ge", "lt", "le", "eq", "ne", "floor", "ceil", "round", "trunc"),
)

ELEMENTWISE: dict[str, Rule] = {
    **{op: apply(op) for op in _SAME},
    "add": _scaled("add"),
    "sub": _scaled("sub"),
    "rsub": lambda a, b, alpha=1: graph_of(a, b).map("sub", b, a if alpha == 1 else a * alpha),
    "mul": apply("mul"),
    "div": lambda a, b, rounding_mode=None: _divided(a, b, rounding_mode),
    "remainder": lambda a, b: a - apply("floor")(a / b) * b,
    "copy": lambda x, source, *_: source.expand(x.shape),
    "fill": lambda x, value: (value if isinstance(value, View) else x.node.graph.const(value)).expand(x.shape),
    "zero": lambda x: x.node.graph.const(0.0).expand(x.shape),
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1.0 / x,
    "pow": _pow,
    "clamp": _clamp,
    "clamp_min": lambda x, low: _clamp(x, low),
    "clamp_max": lambda x, high: _clamp(x, None, high),
    "hardtanh": _hardtanh,
    "softplus": _softplus,
    "log_sigmoid_forward": lambda x: (-apply("softplus")(-x), x),
    "silu": lambda x: x * apply("sigmoid")(x),
    "gelu": _gelu,
    "elu": _elu,
    "leaky_relu": lambda x, slope=0.01: where(apply("gt")(x, 0.0), x, x * slope),
    "threshold": lambda x, threshold, value: where(apply("le")(x, threshold), value, x),
    "lerp": _lerp,
    "addcmul": lambda x, a, b, *, value=1: x + _times(a, b, value),
    "addcdiv": lambda x, a, b, *, value=1: x + (a / b if value == 1 else a / b * value),
    "where": where,
    "masked_fill": lambda x, mask, value: where(mask, value, x),
    "logical_not": lambda x: apply("eq")(x, 0.0),
    "bitwise_not": lambda x: apply("eq")(x, 0.0),
    "logical_and": lambda a, b: where(a, apply("ne")(b, 0.0), 0.0),
    "bitwise_and": lambda a, b: where(a, apply("ne")(b, 0.0), 0.0),
    "logical_or": lambda a, b: where(a, 1.0, apply("ne")(b, 0.0)),
    "bitwise_or": lambda a, b: where(a, 1.0, apply("ne")(b, 0.0)),
    "clone": lambda x, **_: x,
    "contiguous": lambda x, **_: x,
    "_to_copy": lambda x, **_: x,
    "lift_fresh_copy": lambda x: x,
}


def _divided(a: Any, b: Any, rounding_mode: str | None) -> View:
    result = graph_of(a, b).map("div", a, b)
    return result if rounding_mode is None else apply(rounding_mode)(result)
