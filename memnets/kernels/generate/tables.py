"""The tables of a program: its products, sizes, and copies of states, for C; and its layout for the calling side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .node import Node, View
from .places import Buffer, dense

if TYPE_CHECKING:
    from .program import Builder

EVERY = 8
"""Large parts of the state are kept before each such step; those between are computed again on the way back."""

FEW = 32
"""Inputs of a step that a product takes along; the share of more is one product over all steps, before the loop."""


class Product(NamedTuple):
    """A product of a block of samples with parameters.

    Attributes:
        phase: before which it runs.
        inner, outer: sizes of what it takes and gives.
        base, first: where its input lies: in the step's record ("rec"), the next one ("next") or "drec".
        out_base, out: where its output lies: among a sample's shared numbers ("row"), or in the step's record ("rec").
        terms: (parameter, whether it lies (out, in), first column, columns) for each part of the input (of the output
            on the way back).
        start: what its sums start from: index of the array made before the loop, or -1.
        x: the first of the step's inputs that it takes besides.
        taken: how many of them.
        biases: parameters that are added.
    """

    phase: int
    inner: int
    outer: int
    base: str
    first: int
    out_base: str
    out: int
    terms: tuple[tuple[int, bool, int, int], ...]
    start: int = -1
    x: int = 0
    taken: int = 0
    biases: tuple[int, ...] = ()


def product_list(builder: Builder, back: bool) -> list[Product]:
    """Those of a step forward, or on the way back, in the order in which they run."""
    found = []
    if back:
        for node, k, phase, out in builder.back_products:
            size = builder.products[k].size
            terms = node.attr[1]
            found.append(Product(phase, size, node.size, "drec", builder.d_rows[k].first, "row", out, terms))
        return found
    starts = itertools.count()
    for product in builder.products:
        terms, biases = product.attr
        inner = tuple(t for t, a in zip(terms, product.args) if a.node.op != "x")
        given = [(t, *_stretch(a)) for t, a in zip(terms, product.args) if a.node.op == "x"]
        within = len(given) == 1 and given[0][0][3] <= FEW and given[0][2] == 1
        base, first = builder.inputs[product]
        found.append(
            Product(
                builder.forward_phase[product],
                sum(t[3] for t in inner),
                product.size,
                base,
                first,
                builder.product_rows[product].base,
                builder.product_rows[product].first,
                (*inner, *(t for t, _, _ in given if within)),
                next(starts) if given and not within else -1,
                given[0][1] if within else 0,
                given[0][0][3] if within else 0,
                tuple(biases),
            )
        )
    return found


def tables(builder: Builder) -> list[str]:
    """C tables of the products, the sizes of all rooms, and the functions that copy a user's state in and out."""
    lines = []
    for name, back in (("forward", False), ("backward", True)):
        rows, terms, biases = [], [], []
        for p in product_list(builder, back):
            places = p.first, int(p.base == "next"), p.x, p.taken, int(p.out_base == "rec"), p.out, p.start
            row = p.phase, p.inner, p.outer, *places, len(terms), len(p.terms), len(biases), len(p.biases)
            biases += p.biases
            rows.append(f"{{{', '.join(map(str, row))}}}")
            terms += [_term(builder, term) for term in p.terms]
        lines.append(f"static const Product {name}_products[] = {{{', '.join(rows) or '{0}'}}};")
        lines.append(f"static const Term {name}_terms[] = {{{', '.join(terms) or '{0}'}}};")
        lines.append(f"enum {{ {name.upper()}_PRODUCTS = {len(rows)} }};")
        if not back:
            lines.append(f"static const i64 biases[] = {{{', '.join(map(str, biases)) or '0'}}};")
    (gradients, parts), sums = _gradients(builder), _sums(builder)
    lines.append(f"static const Gradient gradients[] = {{{_rows(gradients)}}};")
    lines.append(f"static const Part parts[] = {{{_rows(parts)}}};")
    lines.append(f"static const Sum sums[] = {{{_rows(sums)}}};")
    sizes = {
        "INPUTS": _input_size(builder),
        "RECORD": builder.rec.size,
        "BIG": builder.big.size,
        "BIG_COPIES": 1 if builder.in_place["forward"] else 2,
        "D_STATE_COPIES": 1 if builder.in_place["backward"] else 2,
        "D_RECORD": builder.drec.size,
        "D_STATE": builder.dst.size,
        "ROW": max(builder.row.size, builder.row_back.size),
        "LOCAL": max(room.size for room in builder.locals),
        "EVERY": EVERY,
        "GRADIENTS": len(gradients),
        "SUMS": len(sums),
        "HIGHEST": max((g[0] for g in gradients), default=0),
        "WIDEST": max((g[2] for g in gradients), default=0),
        "ACCUMULATORS": builder.accumulators,
        "HAS_DX": int(builder.d_x is not None),
    }
    lines.append("enum { " + ", ".join(f"{k} = {v}" for k, v in sizes.items()) + " };")
    lines += _state_copies(builder)
    return lines


def _rows(rows: Sequence[Sequence[Any]]) -> str:
    return ", ".join(f"{{{', '.join(str(value) for value in row)}}}" for row in rows) or "{0}"


def _gradients(builder: Builder) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """What parameters' gradients are made of, as ``Gradient`` and ``Part`` of step.h."""
    gradients, parts = [], []
    for k, (product, p) in enumerate(zip(builder.products, product_list(builder, False))):
        first = len(parts)
        parts += [(_term(builder, term), _BASES[base], *place) for base, *place, term in _given(product, p)]
        width = sum(term[3] for term in product.attr[0])
        gradients.append((product.size, builder.d_rows[k].first, width, first, len(parts) - first))
    return gradients, parts


_BASES = {"rec": "RECORDS", "next": "NEXT_RECORDS", "x": "GIVEN_INPUTS"}


def _term(builder: Builder, term: tuple[int, bool, int, int]) -> str:
    param, turned, start, length = term
    return f"{{{param}, {int(turned)}, {start}, {length}, {_columns(builder, param)}}}"


def _sums(builder: Builder) -> list[tuple[int, int, int]]:
    """What parameters get that is summed where it arises: (parameter, first number, how many)."""
    own = [(param, *place) for param, place in builder.accumulated.items()]
    for product, first in zip(builder.products, builder.bias_sums):
        own += [(bias, first, product.size) for bias in product.attr[1]]
    return own


def _columns(builder: Builder, param: int) -> int:
    node = next(n for n in builder.graph.nodes if n.op == "param" and n.attr == param)
    return node.shape[1]


def _input_size(builder: Builder) -> int:
    return next((n.size for n in builder.graph.nodes if n.op == "x"), 0)


def _state_copies(builder: Builder) -> list[str]:
    """Between the layout of users and that of records: into, out of, and the same for gradients."""
    into, out, d_into, d_out = [], [], [], []
    for k, (node, large) in enumerate(zip(builder.states, builder.large)):
        shape = node.shape
        loops = "".join(f"for (i64 i{a} = 0; i{a} < {n}; i{a}++) " for a, n in enumerate(shape))
        user = _plain(dense("", 0, shape), len(shape))
        inside = _plain(builder.slots[node], len(shape))
        place = f"{'big' if large else 'rec'}[{inside}]"
        given = f"states[{k}][b * {node.size} + {user}]"
        into.append(f"{loops}{place} = states[{k}][b * rows[{k}] + {user}];")
        out.append(f"{loops}{given} = {place};")
        d_place = f"d[{_plain(builder.d_slots[k], len(shape))}]"
        d_into.append(f"{loops}{d_place} = states[{k}] ? {given} : 0;")
        d_out.append(f"if (states[{k}]) {loops}{given} = {d_place};")

    def function(head: str, lines: list[str]) -> str:
        return f"static void {head} {{ (void)b; " + "\n".join(lines) + "}"

    return [
        function("state_in(const real *const *states, const i64 *rows, i64 b, real *rec, real *big)", into),
        function("state_out(real *const *states, i64 b, const real *rec, const real *big)", out),
        function("d_state_in(const real *const *states, i64 b, real *d)", d_into),
        function("d_state_out(real *const *states, i64 b, const real *d)", d_out),
    ]


def layout_of(builder: Builder) -> dict[str, Any]:
    """What the calling side must know, in plain values.

    ``of_inputs`` of a product is what it takes of the inputs: (first number, how far apart, a term as of a Product);
    ``given`` is all that it takes, with the room where that lies: "x", "rec" or "next". ``sums`` are (parameter, first
    number, how many) of what parameters get that is summed where it arises.
    """
    products = []
    for k, (product, p) in enumerate(zip(builder.products, product_list(builder, False))):
        pairs = zip(product.attr[0], product.args)
        of_inputs = [(*_stretch(arg), term) for term, arg in pairs if arg.node.op == "x"]
        sizes = {"size": product.size, "start": p.start, "d": builder.d_rows[k].first}
        products.append({"of_inputs": of_inputs, "given": _given(product, p), **sizes})
    return {
        "input_shape": list(builder.trace.input_shape),
        "state_shapes": [list(v.shape) for v in builder.trace.state],
        "parameter_shapes": [list(s) for s in builder.trace.shapes],
        "outputs": math.prod(builder.output.shape),
        "record": builder.rec.size,
        "big": builder.big.size,
        "d_record": builder.drec.size,
        "accumulators": builder.accumulators,
        "has_dx": builder.d_x is not None,
        "products": products,
        "sums": _sums(builder),
    }


def _given(product: Node, p: Product) -> list[tuple[str, int, int, tuple[int, bool, int, int]]]:
    """Of each part of a product's input (where it lies, the first number, how far apart, its term)."""
    found, at = [], p.first
    for term, arg in zip(product.attr[0], product.args):
        found.append((*(("x", *_stretch(arg)) if arg.node.op == "x" else (p.base, at, 1)), term))
        at += 0 if arg.node.op == "x" else term[3]
    return found


def _stretch(view: View) -> tuple[int, int]:
    """The first of a step's inputs that a view takes, and how far apart they are."""
    return (view.offset[0], view.coef[0][0]) if view.node.shape else (0, 1)


def _plain(buffer: Buffer, axes: int) -> str:
    terms = [f"i{a} * {st}" for a, st in zip(range(axes), buffer.strides)]
    return " + ".join([*terms, str(buffer.first)])
