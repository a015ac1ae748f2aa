"""Where a block keeps what it works on: in memory that its threads share, as far as that reaches, else in global.

Arrays over time have a room for the steps at hand (two or three in turn): what a step takes is fetched while the one
before it runs, and what it makes is copied out while the next one runs.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from ..generate.program import Builder
from ..generate.tables import Product


@dataclass
class Rooms:
    """The rooms of a kernel.

    Attributes:
        at: of each room that is shared, its first number.
        apart: of each that is not, its first number in the block's scratch memory.
        sizes: of all of them: (numbers of one step, how many steps).
        packed: of each product, where its matrix begins.
        packed_size: of all matrices together.
        widths: numbers of a row of each.
        resident: of each product how many rows of its matrix, the first ones, are shared, and where they begin.
    """

    name: str
    limit: int
    at: dict[str, int] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    packed: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    packed_size: int = 0
    resident: list[tuple[int, int]] = field(default_factory=list)
    shared: int = 0
    scratch: int = 0
    starts: list[int] = field(default_factory=list)

    def take(self, room: str, size: int, copies: int = 1, else_scratch: bool = True) -> None:
        """Room for some steps of ``size`` numbers: shared if it fits."""
        self.sizes[room] = _fours(size), copies
        whole = _fours(size) * copies
        if not size:
            self.at[room] = 0
        elif self.shared + whole <= self.limit:
            self.at[room] = self.shared
            self.shared += whole
        elif else_scratch:
            self.apart[room] = self.scratch
            self.scratch += whole

    def place(self, room: str, t: str) -> str:
        """The pointer to a step's numbers, as C."""
        size, copies = self.sizes[room]
        step = f" + ({t}) % {copies} * {size}" if copies > 1 else ""
        return f"(room + {self.at[room]}{step})" if room in self.at else f"(mine + {self.apart[room]}{step})"

    def macros(self) -> list[str]:
        """Definitions for the kernel's own text, and for that of its step."""
        found = {}
        for room, name in NAMES[self.name].items():
            found[f"{name}_SHARED"] = str(int(room in self.at))
            known = room in self.at or room in self.apart
            own = self.place(room, "t") if known else "(real *)0"
            found[f"{name}(t)"] = GLOBAL[room].format(own) if room in GLOBAL and room not in self.at else own
        for k, first in enumerate(self.packed):
            found[f"MATRIX_{k}"] = f"(a.packed + {first})"
            found[f"KEPT_{k}"] = f"(room + {self.resident[k][0]})"
        for k, outer in enumerate(self.starts):
            found[f"START_{k}"] = f"(a.starts[{k}] + (t * (a.x_step / INPUTS) + b * (a.x_row / INPUTS)) * {outer})"
        copies = "".join(
            f" copy(thread, room + {at}, a.packed + {self.packed[k]}, {rows * wide});"
            for k, ((at, rows), wide) in enumerate(zip(self.resident, self.widths))
            if rows
        )
        found["COPY_MATRICES"] = copies.strip() or "(void)0;"
        found["SCRATCH"] = str(self.scratch)
        return [f"#define {name} {value}" for name, value in found.items()]

    def undefined(self) -> list[str]:
        """Makes way for the next kernel's."""
        return [f"#undef {line.split()[1].split('(')[0]}" for line in self.macros()]

    def layout(self) -> dict[str, Any]:
        """What the calling side must know: numbers of shared memory, of scratch a block, of all packed matrices."""
        return {"shared": self.shared, "scratch": self.scratch, "packed": self.packed_size}


NAMES = {
    "forward": {"loc": "LOC", "row": "ROW", "rec": "REC", "cur": "CUR", "x": "X", "out": "OUT"},
    "backward": {
        **{"loc": "LOC", "row": "ROW", "dcur": "D_CUR", "dpar": "D_PAR", "rec": "REC", "drec": "D_REC"},
        **{"x": "X", "dout": "D_OUT", "dx": "D_X", "seg": "SEG"},
    },
}
"""The rooms of each kernel, the first first; and what they are called there."""

_RECORD = "a.records + ((i64)(t) * a.batch + b) * RECORD"
GLOBAL = {
    "rec": "(a.keep ? " + _RECORD + " : {0})",
    "x": "(a.x + (t) * a.x_step + b * a.x_row)",
    "out": "(a.out + (t) * a.out_step + b * a.out_row)",
    "dout": "(a.d_out + (t) * a.out_step + b * a.out_row)",
    "dx": "(a.d_x + ((i64)(t) * a.batch + b) * INPUTS)",
    "drec": "(a.d_records + ((i64)(t) * a.batch + b) * D_RECORD)",
    "seg": "(a.big + ((i64)(t) * a.batch + b) * BIG)",
}
"""Where an array over time lies itself."""


def _fours(size: int) -> int:
    return -(-size // 4) * 4


def rooms_of(name: str, builder: Builder, products: list[Product], limit: int) -> Rooms:
    """The rooms of the forward or backward kernel, the ones that are used most first."""
    rooms = Rooms(name, limit)
    forward = name == "forward"
    local = builder.functions[name].plan.local
    rooms.take("loc", local.size)
    rooms.take("row", (builder.row if forward else builder.row_back).size)
    inputs = next((n.size for n in builder.graph.nodes if n.op == "x"), 0)
    outputs = math.prod(builder.output.shape)
    copies = 1 if builder.in_place[name] else 2
    if forward:
        rooms.take("rec", builder.rec.size, 3)
        rooms.take("cur", builder.big.size, copies)
        rooms.take("x", inputs, 2, else_scratch=False)
        rooms.take("out", outputs, 2, else_scratch=False)
    else:
        rooms.take("dcur", builder.dst.size, copies)
        rooms.take("drec", builder.drec.size, 2, else_scratch=False)
        rooms.take("dpar", builder.accumulators)
        rooms.take("rec", builder.rec.size, 3, else_scratch=False)
        rooms.take("x", inputs, 2, else_scratch=False)
        rooms.take("dout", outputs, 2, else_scratch=False)
        rooms.take("dx", inputs if builder.d_x is not None else 0, 2, else_scratch=False)
        rooms.take("seg", builder.big.size, 2, else_scratch=False)
    _place_matrices(rooms, products)
    return rooms


def _place_matrices(rooms: Rooms, products: list[Product]) -> None:
    """Their places side by side in global memory, and what of them fits where it is shared, small ones first."""
    rows = [bool(p.biases) + p.inner + p.taken for p in products]
    rooms.widths = [_fours(p.outer) for p in products]
    rooms.starts = [p.outer for p in products if p.start >= 0]
    rooms.resident = [(0, 0)] * len(products)
    for n, wide in zip(rows, rooms.widths):
        rooms.packed.append(rooms.packed_size)
        rooms.packed_size += n * wide
    for k in sorted(range(len(products)), key=lambda k: rows[k] * rooms.widths[k]):
        kept = min(rows[k], max(rooms.limit - rooms.shared, 0) // rooms.widths[k])
        rooms.resident[k] = rooms.shared, kept
        rooms.shared += kept * rooms.widths[k]
