"""Sorts, scans and scatters as C: plain loops over all but one axis."""

import math

from .node import Node, View
from .places import Buffer, Place, whole_place
from .schedule import Plan, Statement


def write_opaque(plan: Plan, statement: Statement) -> list[str]:
    """The lines that make the statement's node."""
    node = statement.node
    assert node is not None
    return {"scan": _scan, "sort": _sort, "scatter": _scatter}[node.op](plan, node, statement.place.buffer)


def _loops(shape: tuple[int, ...], skip: int | None = None) -> str:
    return "".join(f"for (i64 i{a} = 0; i{a} < {n}; i{a}++) " for a, n in enumerate(shape) if a != skip)


def read(plan: Plan, view: View) -> str:
    """A stored value over the axes i0, i1, ..."""
    if view.node.op == "const" and view.node not in plan.buffers:
        return f"(real)({float(view.node.attr)!r})"
    buffer = plan.buffers[view.node]
    return f"{buffer.base}[{at(Place(buffer, view.offset, view.coef), len(view.shape))}]"


def at(place: Place, axes: int) -> str:
    """Where a place lies in its buffer, at the indices i0, i1, ..."""
    strides = place.buffer.strides
    first = place.buffer.first + sum(o * st for o, st in zip(place.offset, strides))
    steps = [sum(row[a] * st for row, st in zip(place.coef, strides)) for a in range(axes)]
    return " + ".join([*(f"i{a} * {st}" for a, st in enumerate(steps) if st), str(first)])


def whole(node: Node, buffer: Buffer) -> Place:
    """All of a node in its buffer."""
    return whole_place(node.shape, buffer)


def _scan(plan: Plan, node: Node, buffer: Buffer) -> list[str]:
    kind, axis, reverse = node.attr
    n, out = node.shape[axis], f"{buffer.base}[{at(whole(node, buffer), len(node.shape))}]"
    x = [read(plan, a) for a in node.args]
    start = "1" if kind in ("product", "exclusive") else "0"
    body = {
        "sum": f"run += {x[0]}; {out} = run;",
        "product": f"run *= {x[0]}; {out} = run;",
        "exclusive": f"const real x = {x[0]}; {out} = run; run *= x;",
        "linear": f"run = {x[0]} + by * run; by = {x[-1]}; {out} = run;",
    }[kind]
    loop = (
        f"for (i64 i{axis} = {n - 1}; i{axis} >= 0; i{axis}--)"
        if reverse
        else (f"for (i64 i{axis} = 0; i{axis} < {n}; i{axis}++)")
    )
    return [f"{_loops(node.shape, axis)}{{ real run = {start}, by = 0; (void)by; {loop} {{ {body} }} }}"]


def _sort(plan: Plan, node: Node, buffer: Buffer) -> list[str]:
    axis, descending = node.attr
    n = node.shape[axis]
    room = 2 * (n + 64)
    return [
        f"{_loops(node.shape, axis)}{{ real row[{n}], order[{n}], room[{room}];",
        f"for (i64 i{axis} = 0; i{axis} < {n}; i{axis}++) row[i{axis}] = {read(plan, node.args[0])};",
        f"sort_row({n}, row, order, room, {int(descending)});",
        f"for (i64 i{axis} = 0; i{axis} < {n}; i{axis}++) "
        f"{buffer.base}[{at(whole(node, buffer), len(node.shape))}] = order[i{axis}]; }}",
    ]


def _scatter(plan: Plan, node: Node, buffer: Buffer) -> list[str]:
    mode, steps, (shape, offset, coef) = node.attr
    base, index, value = node.args
    target = at(whole(node, buffer), len(node.shape))
    step = sum(a * b for a, b in zip(buffer.strides, steps))
    axis = [s for s, k in enumerate(steps) if k]
    size = node.shape[axis[0]] if axis else 1
    place = at(Place(buffer, offset, coef), len(shape))
    operator = "+=" if mode == "add" else "="
    assert math.prod(shape) >= 1
    return [
        f"{_loops(node.shape)}{buffer.base}[{target}] = {read(plan, base)};",
        f"{_loops(shape)}{buffer.base}[{place} + s_place({read(plan, index)}, {size}) * {step}] "
        f"{operator} {read(plan, value)};",
    ]
