"""Scans, sorts and scatters as CUDA, for a block of threads (see block.h)."""

import math
from collections.abc import Sequence

from ..generate.node import Node
from ..generate.opaque import at, read, whole
from ..generate.places import Buffer
from ..generate.schedule import Plan, Statement
from .nests import WARP, Text, group_of, warps_for


def write_rows(plan: Plan, statement: Statement, threads: int) -> Text:
    """The code that makes the statement's node."""
    node = statement.node
    assert node is not None
    write = {"scan": _scan, "sort": _sort, "scatter": _scatter}[node.op]
    return write(plan, node, statement.place.buffer, threads)


def _decoded(number: str, axes: Sequence[int], shape: Sequence[int]) -> str:
    lines, below = [], 1
    for a in reversed(axes):
        lines.append(f"const int i{a} = {number} / {below} % {shape[a]}; (void)i{a};")
        below *= shape[a]
    return " ".join(lines)


def _row(axis: int, shape: Sequence[int], body: str, more: str = "") -> str:
    """A function of a row and a place in it."""
    others = [a for a in range(len(shape)) if a != axis]
    decoded = _decoded("line", others, shape)
    return f"[&](int line, int i{axis}{more}) {{ (void)line; {decoded} {body} }}"


def _scan(plan: Plan, node: Node, buffer: Buffer, threads: int) -> Text:
    kind, axis, reverse = node.attr
    n, rows = node.shape[axis], node.size // node.shape[axis]
    target = f"{buffer.base}[{at(whole(node, buffer), len(node.shape))}]"
    take = [_row(axis, node.shape, f"return {read(plan, a)};") for a in (node.args[0], node.args[-1])]
    put = _row(axis, node.shape, f"{target} = value;", ", real value")
    name = {"sum": "SUM", "product": "PRODUCT", "exclusive": "EXCLUSIVE", "linear": "LINEAR"}[kind]
    call = f"scan<{name}, {str(bool(reverse)).lower()}>(me, {rows}, {n}, {take[0]}, {take[1]}, {put});"
    return Text([call], min(threads, WARP * rows))


def _sort(plan: Plan, node: Node, buffer: Buffer, threads: int) -> Text:
    axis, descending = node.attr
    n, rows = node.shape[axis], node.size // node.shape[axis]
    group = group_of(node.size, n, threads)
    target = f"{buffer.base}[{at(whole(node, buffer), len(node.shape))}]"
    take = _row(axis, node.shape, f"return {read(plan, node.args[0])};")
    put = _row(axis, node.shape, f"{target} = (real)value;", ", int value")
    call = f"sort<{group}, {str(bool(descending)).lower()}>(me, {rows}, {n}, {take}, {put});"
    return Text([call], min(threads, warps_for(node.size, group)))


def _scatter(plan: Plan, node: Node, buffer: Buffer, threads: int) -> Text:
    """A group of threads for each row of the result looks for what goes there, so that the order is the same.

    A row's numbers have one place in the index, and so one search.
    """
    mode, steps, (shape, offset, coef) = node.attr
    base, index, value = node.args
    axis = [s for s, k in enumerate(steps) if k]
    mapped = {s: [j for j, c in enumerate(row) if c] for s, row in enumerate(coef)}
    plain = (
        len(axis) == 1
        and steps[axis[0]] == 1
        and not mapped[axis[0]]
        and all(len(axes) <= 1 and all(abs(coef[s][j]) == 1 for j in axes) for s, axes in mapped.items())
        and len({j for axes in mapped.values() for j in axes}) == sum(map(len, mapped.values()))
    )
    if not plain:
        return _scatter_one_by_one(plan, node, buffer)
    searched = [j for j in range(len(shape)) if not any(row[j] for row in coef)]
    count, size = math.prod(shape[j] for j in searched), node.shape[axis[0]]
    columns = [s for s, axes in mapped.items() if axes and not any(row[axes[0]] for row in index.coef)]
    rows = [s for s in range(len(node.shape)) if s not in columns]
    many = math.prod(node.shape[s] for s in rows)
    each = node.size // many
    group = group_of(many, count, threads)
    target = f"{buffer.base}[{at(whole(node, buffer), len(node.shape))}]"

    def found(axes: Sequence[int]) -> tuple[str, str]:
        """The value's axes that belong to those of the result, and whether they lie within it."""
        finding, inside = [], ["true"]
        for s in axes:
            if not mapped[s] and s != axis[0]:
                inside.append(f"i{s} == {offset[s]}")
            for j in mapped[s]:
                finding.append(f"const int j{j} = {coef[s][j]} * (i{s} - {offset[s]}); (void)j{j};")
                inside.append(f"j{j} >= 0 && j{j} < {shape[j]}")
        return " ".join(finding), " && ".join(inside)

    def sources(axes: Sequence[int]) -> str:
        own = " ".join(f"const int i{j} = j{j}; (void)i{j};" for s in axes for j in mapped[s])
        return f"{own} {_decoded('q', searched, shape)}"

    row, column = _decoded("r", rows, node.shape), _decoded("c", columns, node.shape)
    of_row, of_both = found(rows), found(range(len(node.shape)))
    has = (
        f"[&](int r, int q) {{ {row} {of_row[0]} const int at = i{axis[0]} - {offset[axis[0]]}; "
        f"if (!({of_row[1]})) return false; {{ {sources(rows)} "
        f"return (int)s_place({read(plan, index)}, {size}) == at; }} }}"
    )
    within = f"[&](int r, int c) {{ {row} {column} {of_both[0]} (void)r; (void)c; return {of_both[1]}; }}"
    take = (
        f"[&](int r, int c, int q) {{ (void)q; {row} {column} {of_both[0]} "
        f"{{ {sources(range(len(node.shape)))} return {read(plan, value)}; }} }}"
    )
    first = f"[&](int r, int c) {{ (void)r; (void)c; {row} {column} return {read(plan, base)}; }}"
    put = f"[&](int r, int c, real value) {{ {row} {column} {target} = value; }}"
    add, calls = str(mode == "add").lower(), f"{has}, {within}, {take}, {first}, {put}"
    if each > 1:
        return Text([f"scatter_rows<{add}>(me, {many}, {each}, {count}, {calls});"], min(threads, WARP * many))
    return Text([f"scatter<{group}, {add}>(me, {many}, {count}, {calls});"], min(threads, warps_for(many, group)))


def _scatter_one_by_one(plan: Plan, node: Node, buffer: Buffer) -> Text:
    """By a single thread, where several places of the index may lead to one of any others."""
    from ..generate.opaque import write_opaque

    lines = write_opaque(plan, Statement("opaque", node, node.whole(), whole(node, buffer)))
    return Text(["if (me == 0) {", *lines, "}"], WARP)
