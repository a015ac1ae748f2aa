"""Expressions of a nest's values as C: loads, functions and constants, each in the outermost loop that it allows."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from .node import Node, View
from .places import Place
from .schedule import Nest, Plan

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
COMPARE = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}


class Value(NamedTuple):
    """An expression's result: its names (one, or one for each vector of a tile), and whether it is a condition."""

    names: tuple[str, ...]
    vector: bool
    condition: bool
    level: int


class Part(NamedTuple):
    """A stretch of the vector axis: from vector ``first``, ``tiles`` of ``tile`` vectors; the last may be partial."""

    first: int
    tiles: int
    tile: int
    partial: bool


class Expressions:
    """Code for values over a nest's axes.

    Args:
        plan: where nodes are kept.
        nest: the loops.
        lanes: numbers of a vector.
        names: counts those of variables.
    """

    order: tuple[int, ...]
    axis: int
    part: Part
    tail: int
    level_of: dict[int, int]
    bodies: list[list[str]]
    memo: dict[object, Value]

    def __init__(self, plan: Plan, nest: Nest, lanes: int, names: "itertools.count[int]"):
        self.plan, self.nest, self.lanes, self.counter = plan, nest, lanes, names

    def value(self, view: View, own: Node | None = None) -> Value:
        """Code for a view over the nest's axes; ``own`` is the node that the statement makes, not to be loaded."""
        node = view.node
        key = (node.id, view.offset, view.coef)
        if key in self.memo:
            return self.memo[key]
        if node.op == "const":
            value = Value((_literal(float(node.attr)),), False, False, 0)
        elif node.op == "iota":
            value = self._iota(view)
        elif node is not own and node in self.plan.buffers:
            value = self._load(view)
        elif node.op == "gather":
            value = self._gather(view)
        else:
            value = self._function(node.op, [self.value(view.compose(a)) for a in node.args])
        self.memo[key] = value
        return value

    def _emit(self, kind: str, expressions: list[str], level: int, vector: bool, condition: bool) -> Value:
        names = tuple(f"t{next(self.counter)}" for _ in expressions)
        self.bodies[level] += [f"const {kind} {n} = {e};" for n, e in zip(names, expressions)]
        return Value(names, vector, condition, level)

    def _level(self, view: View) -> int:
        used = [a for a in range(len(view.shape)) if any(view.column(a))]
        return max((self.level_of[a] for a in used), default=0)

    def _load(self, view: View) -> Value:
        buffer = self.plan.buffers[view.node]
        place = Place(buffer, view.offset, view.coef)
        step = strides_of(place)[self.axis] if self.order else 0
        base, level = f"{buffer.base} + {self.index(place)}", self._level(view)
        if step == 0:
            return self._emit("real", [f"*({base})"], level, False, False)
        loads = []
        for u in range(self.part.tile):
            partial = self.part.partial and u == self.part.tile - 1
            at = f"{base} + {u * self.lanes * step}"
            count = self.tail if partial else self.lanes
            if step != 1:
                loads.append(f"load_apart({at}, {step}, {count})")
            elif partial and buffer.base not in PADDED:
                loads.append(f"load_some({at}, {count})")
            else:
                loads.append(f"load({at})")
        return self._emit("vec", loads, level, True, False)

    def _iota(self, view: View) -> Value:
        row, first = view.coef[0], view.offset[0]
        scalar = " + ".join([str(first), *(f"i{a} * {c}" for a, c in enumerate(row) if c and a != self.axis)])
        step = row[self.axis] if self.order else 0
        if not step:
            return self._emit("real", [f"(real)({scalar})"], self._level(view), False, False)
        lines = [
            f"(real)({scalar} + (v + {u * self.lanes}) * {step}) + COUNT * R({step}.0)" for u in range(self.part.tile)
        ]
        return self._emit("vec", lines, self._level(view), True, False)

    def _gather(self, view: View) -> Value:
        source, index = (view.compose(a) for a in view.node.args)
        place = self.real(self.value(index))
        buffer = self.plan.buffers[source.node]
        at = Place(buffer, source.offset, source.coef)
        step = sum(a * b for a, b in zip(buffer.strides, view.node.attr))
        axis = [s for s, k in enumerate(view.node.attr) if k]
        size = source.node.shape[axis[0]] if axis else 1
        along = strides_of(at)[self.axis] if self.order else 0
        base, level = f"{buffer.base} + {self.index(at)}", max(self._level(source), place.level)
        if not place.vector and not along:
            return self._emit("real", [f"({base})[s_place({place.names[0]}, {size}) * {step}]"], level, False, False)
        loads = []
        for u, name in enumerate(self.vectors(place)):
            partial = self.part.partial and u == self.part.tile - 1
            count = self.tail if partial else self.lanes
            loads.append(f"load_at({base} + {u * self.lanes * along}, {name}, {size}, {step}, {along}, {count})")
        return self._emit("vec", loads, level, True, False)

    def _function(self, op: str, args: list[Value]) -> Value:
        level, vector = max(a.level for a in args), any(a.vector for a in args)
        if op in ("stop", "copy"):
            return args[0]
        if op == "where":
            condition = self._condition(args[0])
            rest = [self.real(a) for a in args[1:]]
            level = max([level, condition.level, *(a.level for a in rest)])
            if not vector:
                line = f"{condition.names[0]} ? {rest[0].names[0]} : {rest[1].names[0]}"
                return self._emit("real", [line], level, False, False)
            masks = self.vectors(condition)
            lines = [f"choose({m}, {a}, {b})" for m, a, b in zip(masks, *map(self.vectors, rest))]
            return self._emit("vec", lines, level, True, False)
        args = [self.real(a) for a in args]
        if op in COMPARE:
            if not vector:
                line = f"{args[0].names[0]} {COMPARE[op]} {args[1].names[0]}"
                return self._emit("int", [line], level, False, True)
            lines = [f"v_{op}({a}, {b})" for a, b in zip(*map(self.vectors, args))]
            return self._emit("mask", lines, level, True, True)
        if op == "div" and vector and not args[1].vector and args[1].names[0].startswith("t"):
            op, args = "mul", [args[0], self._reciprocal(args[1])]
        if op in INFIX and not (op == "div" and vector):
            columns = [self.vectors(a) if a.vector else a.names * (self.part.tile if vector else 1) for a in args]
            lines = [f"{a} {INFIX[op]} {b}" for a, b in zip(*columns)]
            return self._emit("vec" if vector else "real", lines, level, vector, False)
        if op == "neg":
            return self._emit("vec" if vector else "real", [f"-{n}" for n in args[0].names], level, vector, False)
        kind = "v" if vector else "s"
        columns = [self.vectors(a) if vector else a.names for a in args]
        lines = [f"{kind}_{op}({', '.join(c)})" for c in zip(*columns)]
        return self._emit("vec" if vector else "real", lines, level, vector, False)

    def _reciprocal(self, value: Value) -> Value:
        """For a divisor of whole vectors: one division in place of many. (Those above 8e37 count as infinite.)"""
        key = "reciprocal", value.names
        if key not in self.memo:
            self.memo[key] = self._emit("real", [f"R(1.0) / {value.names[0]}"], value.level, False, False)
        return self.memo[key]

    def vectors(self, value: Value) -> tuple[str, ...]:
        """The value as a vector for each of the tile."""
        if value.vector:
            return value.names
        name = value.names[0]
        return (f"((mask){{0}} - (whole)({name}))" if value.condition else f"splat({name})",) * self.part.tile

    def real(self, value: Value) -> Value:
        """A condition as 0 or 1; anything else as it is."""
        if not value.condition:
            return value
        if value.vector:
            return self._emit("vec", [f"v_bool({n})" for n in value.names], value.level, True, False)
        return self._emit("real", [f"(real)({value.names[0]})"], value.level, False, False)

    def _condition(self, value: Value) -> Value:
        if value.condition:
            return value
        if value.vector:
            return self._emit("mask", [f"{n} != (vec){{0}}" for n in value.names], value.level, True, True)
        return self._emit("int", [f"{value.names[0]} != 0"], value.level, False, True)

    def index(self, place: Place) -> str:
        """Where a place lies in its buffer, at the loops' indices."""
        strides = strides_of(place)
        axes = [("v" if a == self.axis else f"i{a}", st) for a, st in enumerate(strides)]
        return address(place, axes)


PADDED = ("loc", "row", "rec", "next", "cur", "nxt", "drec", "dcur", "dnxt", "seg")
"""Memories with room behind the last number, which may be read past a buffer's end."""


def strides_of(place: Place) -> list[int]:
    """How far a step along each axis goes."""
    axes = len(place.coef[0]) if place.coef else 0
    return [sum(row[a] * st for row, st in zip(place.coef, place.buffer.strides)) for a in range(axes)] or [0] * 8


def address(place: Place, axes: Sequence[tuple[str, int]]) -> str:
    """The same, for indices by name with their strides."""
    first = place.buffer.first + sum(o * st for o, st in zip(place.offset, place.buffer.strides))
    terms = [name if st == 1 else f"{name} * {st}" for name, st in axes if st]
    return " + ".join([*terms, str(first)])


def _literal(x: float) -> str:
    if math.isnan(x):
        return "(real)NAN"
    if math.isinf(x):
        return "(real)INFINITY" if x > 0 else "(-(real)INFINITY)"
    return f"R({x!r})" if x >= 0 else f"(-R({-x!r}))"
