"""A program's CUDA file: one block of threads takes a sample through all steps, forward or back."""

import itertools
import math
from pathlib import Path

from ..generate.node import Node
from ..generate.places import Buffer, dense
from ..generate.program import Builder, Function, Program
from ..generate.schedule import Nest
from ..generate.tables import Product, layout_of, product_list
from ..generate.trace import Trace
from .nests import BlockPlan, BlockWriter, Layout, Mapping, Text, group_of, warps_for
from .order import Piece, accesses_of, levels, side_by_side, stretch
from .rooms import Rooms, rooms_of
from .whole_rows import write_rows

HERE = Path(__file__).parent
POINTERS = {
    "forward": "x out rec next cur nxt row loc",
    "backward": "x dout dx rec next seg drec dcur dnxt row loc dpar",
}
"""What each function is handed: pointers to the rooms of a step."""

THREADS = 512


def build(trace: Trace, *, double: bool, shared: int, threads: int = THREADS) -> Program:
    """The program of a traced step.

    Args:
        trace: the step.
        double: whether numbers are doubles.
        shared: bytes of memory that a block's threads share on the device.
        threads: of a block: a power of two, whole warps.
    """
    builder = Builder(trace, 1, BlockPlan, replays=False).build()
    size = 8 if double else 4
    products = {name: product_list(builder, name == "backward") for name in POINTERS}
    rooms = {name: rooms_of(name, builder, products[name], shared // size) for name in POINTERS}
    lines = [
        *(["#define MEMNETS_DOUBLE"] if double else []),
        f"#define THREADS {threads}",
        _text("prelude.h"),
        (HERE.parent / "generate" / "scalar.h").read_text(),
        _text("block.h"),
        _arguments(builder),
        f"enum {{ {', '.join(f'{name} = {value}' for name, value in _sizes(builder).items())} }};",
    ]
    counter = itertools.count()
    for name, function in builder.functions.items():
        lines += rooms[name].macros()
        lines += _packing(name, builder, products[name], rooms[name])
        lines += _step(name, builder, function, products[name], rooms[name], counter, threads)
        lines += _state_copies(name, builder)
        lines.append(_text(f"{name}.h"))
        lines += rooms[name].undefined()
    layout = {
        **layout_of(builder),
        "threads": threads,
        "starts": sum(p.start >= 0 for p in products["forward"]),
        **{name: rooms[name].layout() for name in POINTERS},
    }
    return Program("\n".join([*lines, ""]), layout)


def _text(name: str) -> str:
    return (HERE / name).read_text()


def _sizes(builder: Builder) -> dict[str, int]:
    return {
        "INPUTS": next((n.size for n in builder.graph.nodes if n.op == "x"), 0),
        "OUTPUTS": math.prod(builder.output.shape),
        "RECORD": builder.rec.size,
        "BIG": builder.big.size,
        "D_RECORD": builder.drec.size,
        "ACCUMULATORS": builder.accumulators,
        "HAS_DX": int(builder.d_x is not None),
    }


ARGUMENTS = (
    *("batch", "steps", "keep", "x_step", "x_row", "out_step", "out_row"),
    *("lengths", "x", "out", "records", "big", "packed", "scratch", "d_out", "d_x", "d_records", "sums"),
)
"""What a kernel is handed first, numbers and then pointers, all of 8 bytes; tables follow."""


def _arguments(builder: Builder) -> str:
    counts, pointers = ARGUMENTS[:7], ARGUMENTS[8:]
    states = len(builder.states)
    tables = [
        f"real *params[{max(len(builder.trace.sources), 1)}];",
        f"real *starts[{len(builder.products) + 1}];",
        f"real *first[{states}]; i64 first_rows[{states}]; real *last[{states}];",
    ]
    fields = f"i64 {', '.join(counts)}; const i64 *lengths; real {', '.join(f'*{p}' for p in pointers)};"
    return f"typedef struct {{ {fields} {' '.join(tables)} }} Args;"


# ---- Products ----


def _packing(name: str, builder: Builder, products: list[Product], rooms: Rooms) -> list[str]:
    lines = [
        f'extern "C" __global__ void memnets_pack_{name}(const Args a) {{',
        "const i64 thread = blockIdx.x * (i64)THREADS + threadIdx.x, threads = gridDim.x * (i64)THREADS;",
    ]
    columns = {n.attr: n.shape[1] for n in builder.graph.nodes if n.op == "param" and len(n.shape) == 2}
    for p, at in zip(products, rooms.packed):
        wide, row = -(-p.outer // 4) * 4, 0
        if p.biases:
            total = " + ".join(f"a.params[{k}][n]" for k in p.biases)
            lines.append(
                f"for (i64 n = thread; n < {wide}; n += threads) a.packed[{at} + n] = n < {p.outer} ? {total} : R(0.0);"
            )
            row = 1
        for param, turned, start, length in p.terms:
            inner, outer = (1, columns[param]) if turned else (columns[param], 1)
            source = f"a.params[{param}] + {start * inner}"
            if name == "backward":  # the term's columns are those of the result
                lines.append(_pack_columns(p, at, row, length, source, inner, outer))
            else:
                lines.append(
                    f"pack(thread, threads, a.packed + {at + row * wide}, {length}, {p.outer}, {source}, {inner}, "
                    f"{outer});"
                )
            row += length
    return [*lines, "}"]


def _pack_columns(p: Product, at: int, first: int, length: int, source: str, inner: int, outer: int) -> str:
    return (
        f"pack_columns(thread, threads, a.packed + {at}, {p.inner}, {p.outer}, {first}, {length}, {source}, {outer}, "
        f"{inner});"
    )


def _product(name: str, k: int, p: Product, rooms: Rooms, threads: int) -> Piece:
    fours, terms = -(-p.outer // 4), p.inner + p.taken
    group = group_of(fours, terms, threads)
    start = f"START_{p.start}" if p.start >= 0 else "(const real *)0"
    sizes = f"{p.inner}, {p.taken}, {p.outer}, {int(bool(p.biases))}, {group}, {rooms.resident[k][1]}"
    given = f"{p.base} + {p.first}" if p.inner else "(const real *)0"
    x = f"x + {p.x}" if p.taken else "(const real *)0"
    call = f"multiply<{sizes}>(me, KEPT_{k}, MATRIX_{k}, {given}, {x}, {start}, {p.out_base} + {p.out});"
    text = Text([call], min(threads, warps_for(fours, group)))
    accesses = [stretch(p.base, p.first, p.inner)] if p.inner else []
    return Piece([*accesses, stretch(p.out_base, p.out, p.outer, True)], lambda _: text)


# ---- A step ----


def _step(
    name: str,
    builder: Builder,
    function: Function,
    products: list[Product],
    rooms: Rooms,
    counter: "itertools.count[int]",
    threads: int,
) -> list[str]:
    pieces, left = [], list(enumerate(products))
    searched = {n.args[0].node for n in builder.graph.nodes if n.op == "gather"}
    if name == "forward" and builder.big.size:
        keep = Text(["if (a.keep) copy(me, a.big + ((i64)t * a.batch + b) * BIG, cur, BIG);"], threads)
        pieces.append(Piece([stretch("cur", 0, builder.big.size)], lambda _: keep))
    last = max([*function.nests, *(p.phase for p in products)], default=0)
    for phase in range(last + 1):
        while left and left[0][1].phase <= phase:
            pieces.append(_product(name, *left.pop(0), rooms, threads))
        pieces += [_piece(function, nest, searched, counter, threads) for nest in function.nests.get(phase, [])]
    copies = {"forward": ("nxt", "cur"), "backward": ("dnxt", "dcur")}[name]
    same = dict([copies]) if builder.in_place[name] else {}
    body: list[str] = []
    for k, level in enumerate(levels(pieces, same)):
        body += ["__syncthreads();"] if k else []
        body += side_by_side(level, threads)
    text = "\n".join(body)
    given = ", ".join(f"real *{pointer}" for pointer in POINTERS[name].split())
    parameters = "".join(
        f"const real *__restrict__ par{k} = a.params[{k}]; "
        for k in range(len(builder.trace.sources))
        if f"par{k} " in text or f"par{k}[" in text
    )
    head = f"INLINE void {name}_step(const Args &a, int thread, real *room, real *mine, int b, int t, {given}) {{"
    return [head, parameters, text, "}"]


def _piece(function: Function, nest: Nest, searched: set[Node], counter: "itertools.count[int]", threads: int) -> Piece:
    plan, accesses = function.plan, accesses_of(function.plan, nest, searched)
    if nest.statements[0].kind == "opaque":
        return Piece(accesses, lambda _: write_rows(plan, nest.statements[0], threads))

    def write(mapping: Mapping | None) -> Text:
        assert mapping is not None
        return BlockWriter(plan, nest, counter, threads).write(mapping)

    return Piece(accesses, write, Layout(plan, nest, threads))


# ---- States as users hold them ----


def _state_copies(name: str, builder: Builder) -> list[str]:
    into, out = [], []
    for k, (node, large) in enumerate(zip(builder.states, builder.large)):
        user, inside = dense("", 0, node.shape), builder.slots[node] if name == "forward" else builder.d_slots[k]
        place = f"{('big' if large else 'rec') if name == 'forward' else 'd'}[{_at(node.shape, inside)}]"
        loop = f"for (int e = thread; e < {node.size}; e += THREADS) {{ {_indices(node.shape)}"
        own = f"[b * {node.size} + {_at(node.shape, user)}]"
        if name == "forward":
            into.append(f"{loop} {place} = a.first[{k}][b * a.first_rows[{k}] + {_at(node.shape, user)}]; }}")
            out.append(f"{loop} a.last[{k}]{own} = {place}; }}")
        else:
            into.append(f"{loop} {place} = a.first[{k}] ? a.first[{k}]{own} : R(0.0); }}")
            out.append(f"if (a.last[{k}]) {loop} a.last[{k}]{own} = {place}; }}")
    given = "real *rec, real *big" if name == "forward" else "real *d"
    head = "(const Args &a, int thread, i64 b, "
    return [
        f"INLINE void {name}_state_in{head}{given}) {{",
        *into,
        "}",
        f"INLINE void {name}_state_out{head}{given}) {{",
        *out,
        "}",
    ]


def _indices(shape: tuple[int, ...]) -> str:
    lines, below = [], 1
    for axis in reversed(range(len(shape))):
        lines.append(f"const int i{axis} = e / {below} % {shape[axis]};")
        below *= shape[axis]
    return " ".join(lines)


def _at(shape: tuple[int, ...], buffer: Buffer) -> str:
    return " + ".join([*(f"i{a} * {st}" for a, st in zip(range(len(shape)), buffer.strides)), str(buffer.first)])
