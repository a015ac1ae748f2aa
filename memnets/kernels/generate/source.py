"""A program's C file: a function for each phase, the tables, and the headers around them."""

import itertools

from .emit import Writer
from .program import Builder, Function, Program
from .tables import layout_of, tables
from .trace import Trace

ROOMS = {
    "forward": "x out rec next cur nxt row loc",
    "backward": "x dout dx rec next seg drec dcur dnxt row loc dpar",
    "replay": "x rec next cur nxt loc",
}
"""The pointers of a Step that each function uses."""

REGISTERS = 28
"""Vectors that a loop may hold."""


def build(trace: Trace, *, double: bool, vector_bytes: int = 64) -> Program:
    """The program of a traced step."""
    lanes = vector_bytes // (8 if double else 4)
    builder = Builder(trace, lanes).build()
    counter = itertools.count()
    masks = [f"static const mask LAST_{k} = {{{', '.join(['-1'] * k)}}};" for k in range(1, lanes)]
    lines = [
        *(["#define MEMNETS_DOUBLE"] if double else []),
        f"#define MEMNETS_BYTES {vector_bytes}",
        '#include "step.h"',
        *masks,
        f"static const vec COUNT = {{{', '.join(map(str, range(lanes)))}}};",
    ]
    for name, function in builder.functions.items():
        lines += _phases(builder, name, function, counter)
    return Program("\n".join([*lines, *tables(builder), '#include "driver.h"', ""]), layout_of(builder))


def _phases(builder: Builder, name: str, function: Function, counter: "itertools.count[int]") -> list[str]:
    last = max(function.nests, default=0)
    given = "".join(f"real *restrict {f} = s->{f}; (void){f}; " for f in ROOMS[name].split())
    lines = []
    for phase in range(last + 1):
        body: list[str] = []
        for nest in function.nests.get(phase, []):
            body += Writer(function.plan, nest, builder.lanes, counter, REGISTERS).write()
        text = "\n".join(body)
        pars = "".join(
            f"const real *restrict par{k} = s->params[{k}]; "
            for k in range(len(builder.trace.sources))
            if f"par{k}" in text
        )
        lines.append(f"static void {name}_{phase}(const Step *s) {{ {given}{pars}\n{text}\n}}")
    table = ", ".join(f"{name}_{phase}" for phase in range(last + 1))
    lines.append(f"static const Phase {name}_phases[] = {{{table}}};")
    lines.append(f"enum {{ {name.upper()}_PHASES = {last + 1} }};")
    return lines
