"""The values of a graph's nodes computed one by one with NumPy: what generated code is compared with."""

import numpy as np

from memnets.kernels.generate.node import Node, View

ELEMENTWISE = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20)))),
    "sin": np.sin,
    "cos": np.cos,
    "abs": np.abs,
    "sign": np.sign,
    "relu": lambda x: np.where(x > 0, x, x * 0),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "pow": np.power,
    "where": lambda c, a, b: np.where(c != 0, a, b),
    "gt": lambda a, b: (a > b) * 1.0,
    "ge": lambda a, b: (a >= b) * 1.0,
    "lt": lambda a, b: (a < b) * 1.0,
    "le": lambda a, b: (a <= b) * 1.0,
    "eq": lambda a, b: (a == b) * 1.0,
    "ne": lambda a, b: (a != b) * 1.0,
    "stop": lambda x: x,
    "copy": lambda x: x,
}


class Values:
    """Values of nodes, made as they are asked for."""

    def __init__(self, leaves):
        self.leaves = leaves  # (op, attr) -> array
        self.known = {}

    def view(self, view: View):
        return self.node(view.node).reshape(-1)[view.flat_indices()]

    def node(self, node: Node):
        if node.id not in self.known:
            self.known[node.id] = np.asarray(self._compute(node), dtype=np.float64).reshape(node.shape)
        return self.known[node.id]

    def _compute(self, node: Node):
        op = node.op
        if op == "const":
            return float(node.attr)
        if op == "iota":
            return np.arange(node.shape[0])
        if (op, node.attr) in self.leaves:
            return self.leaves[op, node.attr]
        args = [self.view(a) for a in node.args]
        if op in ELEMENTWISE:
            return ELEMENTWISE[op](*args)
        if op in ("sum", "max"):
            axes = tuple(range(len(node.shape), args[0].ndim))
            return args[0].sum(axes) if op == "sum" else args[0].max(axes)
        if op == "product":
            terms, biases = node.attr
            y = sum(self._weight(term) @ x for term, x in zip(terms, args))
            return y + sum(self.leaves["param", b].reshape(-1) for b in biases)
        if op == "product_t":
            return np.concatenate([self._weight(term).T @ args[0] for term in node.attr[1]])
        return getattr(self, f"_{op}")(node, args)

    def _assemble(self, node, args):
        mode, based, maps = node.attr
        out = args[-1].copy().reshape(-1) if based else np.full(node.size, np.nan)
        for value, (shape, offset, coef) in zip(args, maps):
            at = View(node, shape, offset, coef).flat_indices()
            if mode == "set":
                out[at] = value
            else:
                np.add.at(out, at, value)
        return out

    def _at(self, node, source_shape, place, steps, index):
        strides = np.cumprod([1, *source_shape[::-1]])[-2::-1] if source_shape else np.array([], int)
        return place.flat_indices() + index.astype(int) * int(sum(a * b for a, b in zip(strides, steps)))

    def _gather(self, node, args):
        source, index = node.args[0], args[1]
        return self.node(source.node).reshape(-1)[self._at(node, source.node.shape, source, node.attr, index)]

    def _scatter(self, node, args):
        mode, steps, (shape, offset, coef) = node.attr
        base, index, value = args
        out = base.copy().reshape(-1)
        at = self._at(node, node.shape, View(node, shape, offset, coef), steps, index)
        if mode == "set":
            out[at] = value
        else:
            np.add.at(out, at, value)
        return out

    def _sort(self, node, args):
        axis, descending = node.attr
        return np.argsort(-args[0] if descending else args[0], axis=axis, kind="stable")

    def _scan(self, node, args):
        kind, axis, reverse = node.attr
        x = [np.moveaxis(a, axis, 0) for a in args]
        x = [a[::-1] if reverse else a for a in x]
        y = np.empty_like(x[0])
        run = np.ones(y.shape[1:]) if kind in ("product", "exclusive") else np.zeros(y.shape[1:])
        for k in range(len(y)):
            if kind == "sum":
                run = run + x[0][k]
            elif kind == "product":
                run = run * x[0][k]
            elif kind == "linear":
                run = x[0][k] + (x[1][k - 1] * run if k else 0)
            y[k] = run
            if kind == "exclusive":
                run = run * x[0][k]
        y = y[::-1] if reverse else y
        return np.moveaxis(y, 0, axis)

    def _weight(self, term):
        param, turned, start, length = term
        w = self.leaves["param", param]
        return (w if turned else w.T)[:, start : start + length]
