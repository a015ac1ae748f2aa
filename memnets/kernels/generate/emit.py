"""Loop nests as C.

One axis of a nest is taken a vector at a time, some vectors (a tile) at once. Each value is computed in the outermost
loop that its indices allow. A sum whose result is complete inside the loops stays in registers; one that is gathered
over outer loops has a vector for each of its places, folded after the nest.
"""

import itertools
import math
from collections.abc import Sequence

from .expressions import Expressions, Part, Value, address, strides_of
from .node import View
from .places import Place, turned, turned_place
from .schedule import Nest, Plan, Statement


class Writer(Expressions):
    """Writes one nest."""

    def __init__(self, plan: Plan, nest: Nest, lanes: int, names: "itertools.count[int]", registers: int):
        super().__init__(plan, nest, lanes, names)
        self.registers = registers
        self.statements = [
            (s, turned(s.value, o), turned_place(s.place, o), frozenset(o[len(o) - s.reduced :]) if s.reduced else None)
            for s, o in zip(nest.statements, nest.orders)
        ]

    def write(self) -> list[str]:
        """The nest's lines."""
        if self.nest.statements[0].kind == "opaque":
            from .opaque import write_opaque

            return write_opaque(self.plan, self.nest.statements[0])
        if not self.nest.range:
            return self._scalars()
        self.order, self.axis = self._choose()
        vectors = -(-self.nest.range[self.axis] // self.lanes)
        self.tail = self.nest.range[self.axis] % self.lanes
        tile = self._tile(vectors)
        full = vectors - (1 if self.tail else 0)
        if vectors <= tile:
            parts = [Part(0, 1, vectors, bool(self.tail))]
        else:
            tile = next(t for t in (4, 2, 1) if t <= tile and full % t == 0)
            parts = [Part(0, full // tile, tile, False)] + ([Part(full, 1, 1, True)] if self.tail else [])
        return self._loops(parts)

    # ---- Choices ----

    def _reads(self) -> list[View]:
        """What is loaded, over the nest's axes."""
        found = {}
        for (s, _, _, _), order in zip(self.statements, self.nest.orders):
            for read in s.reads:
                view = turned(read, order)
                if view.key not in self.nest.made.get(read.node, ()):
                    found[view.key] = view
        return list(found.values())

    def _choose(self) -> tuple[tuple[int, ...], int]:
        """The order of the loops and the vector axis, by what they cost."""
        shape = self.nest.range
        best, least = None, math.inf
        strides = [strides_of(Place(self.plan.buffers[v.node], v.offset, v.coef)) for v in self._reads()]
        stores = [strides_of(p) for _, _, p, r in self.statements if r is None]
        for axis in range(len(shape)):
            vectors = -(-shape[axis] // self.lanes)
            work = math.prod(shape) / shape[axis] * vectors
            cost = sum(0.2 if st[axis] == 0 else 1 if st[axis] == 1 else self.lanes for st in strides)
            cost += sum(2 if st[axis] == 1 else 2 * self.lanes for st in stores)
            cost += 0.1 * sum(axis in r for _, _, _, r in self.statements if r is not None) + len(self.statements)
            for order in itertools.permutations(range(len(shape))):
                extra = 0.0
                for _, _, _, reduced in self.statements:
                    if reduced is not None and not self._in_registers(order, reduced):
                        extra += 0.5 if axis in reduced else 2
                extra += 0.01 * (len(order) - 1 - order.index(axis))
                extra += 0.001 * sum(order[k] > order[k + 1] for k in range(len(order) - 1))
                if work * (cost + extra) < least:
                    best, least = (order, axis), work * (cost + extra)
        assert best is not None
        return best

    def _in_registers(self, order: Sequence[int], reduced: frozenset[int]) -> bool:
        depth = max((k + 1 for k, a in enumerate(order) if a not in reduced), default=0)
        return not any(a in reduced for a in order[:depth])

    def _tile(self, vectors: int) -> int:
        """How many vectors at once leave all sums and what stays over inner loops in registers."""
        if self.order[-1] == self.axis:
            return 4
        self._loops([Part(0, 1, 1, False)])
        held = sum(line.startswith("const vec") for line in self.bodies[self.order.index(self.axis) + 1])
        sums = sum(
            r is not None and self.axis not in r and self._in_registers(self.order, r) for _, _, _, r in self.statements
        )
        return next(t for t in (4, 2, 1) if t == 1 or t * (held + sums + 3) <= self.registers)

    # ---- Loops ----

    def _loops(self, parts: list[Part]) -> list[str]:
        depth, at = len(self.order), self.order.index(self.axis)
        self.level_of = {a: k + 1 for k, a in enumerate(self.order)}
        self.bodies: list[list[str]] = [[] for _ in range(depth + 1)]
        self.posts: list[list[str]] = [[] for _ in range(depth + 1)]
        self.before: list[str] = []
        self.after: list[str] = []
        self.memo: dict[object, Value] = {}
        self.names: dict[int, str] = {}
        inner: list[str] = []
        widest = max(p.tile for p in parts)
        for part in parts:
            self.part, self.widest = part, widest
            shallow = {k: v for k, v in self.memo.items() if v.level <= at}
            self.memo = shallow
            for level in range(at + 1, depth + 1):
                self.bodies[level], self.posts[level] = [], []
            self.first_part = part is parts[0]
            for k, statement in enumerate(self.statements):
                self._statement(k, *statement)
            lines = self._wrap(at + 1)
            start, step = part.first * self.lanes, part.tile * self.lanes
            if part.tiles == 1:
                inner += ["{", f"const i64 v = {start};", *lines, "}"]
            else:
                stop = start + part.tiles * step
                inner += [f"for (i64 v = {start}; v < {stop}; v += {step}) {{", *lines, "}"]
        for level in range(at, -1, -1):
            inner = [*self.bodies[level], *inner, *self.posts[level]]
            if level:
                a = self.order[level - 1]
                inner = [f"for (i64 i{a} = 0; i{a} < {self.nest.range[a]}; i{a}++) {{", *inner, "}"]
        return ["{", *self.before, *inner, *self.after, "}"]

    def _wrap(self, level: int) -> list[str]:
        """The loops inside the vector axis."""
        lines: list[str] = []
        for k in range(len(self.order), level - 1, -1):
            lines = [*self.bodies[k], *lines, *self.posts[k]]
            if k > level:
                a = self.order[k - 1]
                lines = [f"for (i64 i{a} = 0; i{a} < {self.nest.range[a]}; i{a}++) {{", *lines, "}"]
        return lines

    def _scalars(self) -> list[str]:
        self.order, self.axis = (), -1
        self.level_of, self.bodies, self.posts = {}, [[]], [[]]
        self.memo, self.part, self.widest = {}, Part(0, 1, 1, False), 1
        for s, value, place, _ in self.statements:
            result = self.real(self.value(value, s.node))
            operator = "+=" if s.kind == "add" else "="
            if s.node is None or s.node in self.plan.kept:
                self.bodies[0].append(f"{place.buffer.base}[{address(place, [])}] {operator} {result.names[0]};")
        return ["{", *self.bodies[0], "}"]

    # ---- Statements ----

    def _statement(self, k: int, s: Statement, view: View, place: Place, reduced: frozenset[int] | None) -> None:
        value = self.real(self.value(view, s.node))
        if reduced is None:
            if s.node is None or s.node in self.plan.kept:
                self._store(value, place, s.kind, len(self.order), self.bodies)
            return
        neutral = "splat(-(real)INFINITY)" if s.kind == "max" else "(vec){0}"
        names = self.vectors(value)
        if self.axis in reduced and self.part.partial:
            last = f"choose(LAST_{self.tail}, {names[-1]}, {neutral})"
            names = (*names[:-1], last)
        depth = max((self.level_of[a] for a in self.order if a not in reduced), default=0)
        join = "v_maximum({0}, {1})" if s.kind == "max" else "{0} + {1}"
        if self._in_registers(self.order, reduced):
            self._register_sum(k, s, names, place, reduced, depth, neutral, join)
        else:
            self._memory_sum(k, s, names, place, reduced, neutral, join)

    def _register_sum(self, k, s, names, place, reduced, depth, neutral, join) -> None:
        at = self.level_of[self.axis]
        acc = [f"a{k}_{u}" for u in range(len(names))]
        if depth >= at or self.first_part:
            count = len(names) if depth >= at else self.widest
            self.bodies[depth] += [f"vec a{k}_{u} = {neutral};" for u in range(count)]
            lines = self.posts[depth]
            if self.axis in reduced:
                total = acc[0] if count == 1 else f"a{k}_0"
                for u in range(1, count):
                    total = join.format(total, f"a{k}_{u}")
                fold = "fold_max" if s.kind == "max" else "fold_sum"
                lines.append(f"{place.buffer.base}[{self.index(place)}] = {fold}({total});")
            else:
                self._store(Value(tuple(acc), True, False, depth), place, "set", depth, self.posts)
        deepest = len(self.order)
        self.bodies[deepest] += [f"{a} = {join.format(a, n)};" for a, n in zip(acc, names)]

    def _memory_sum(self, k, s, names, place, reduced, neutral, join) -> None:
        outer = [a for a in self.order if a not in reduced and a != self.axis]
        sizes = [self.nest.range[a] for a in outer]
        strides = [math.prod(sizes[j + 1 :]) for j in range(len(sizes))]
        index = " + ".join(f"i{a} * {st}" for a, st in zip(outer, strides)) or "0"
        count = math.prod(sizes)
        deepest = len(self.order)
        if self.axis in reduced:
            room = -(-count // self.lanes) * self.lanes
            if self.first_part:
                self.before += [f"vec m{k}[{room}];", f"for (i64 i = 0; i < {room}; i++) m{k}[i] = {neutral};"]
                self.after += self._fold_rows(k, s, place, outer, sizes, strides)
            total = names[0]
            for name in names[1:]:
                total = join.format(total, name)
            self.bodies[deepest].append(f"m{k}[{index}] = {join.format(f'm{k}[{index}]', total)};")
            return
        vectors = -(-self.nest.range[self.axis] // self.lanes)
        if self.first_part:
            room = count * vectors
            self.before += [f"vec m{k}[{room}];", f"for (i64 i = 0; i < {room}; i++) m{k}[i] = {neutral};"]
            self.after += self._copy_rows(k, place, outer, sizes, strides, vectors)
        for u, name in enumerate(names):
            at = f"m{k}[({index}) * {vectors} + v / LANES + {u}]"
            self.bodies[deepest].append(f"{at} = {join.format(at, name)};")

    def _fold_rows(self, k, s, place, outer, sizes, strides) -> list[str]:
        steps = strides_of(place)
        if s.kind == "sum" and len(outer) == 1:
            return [f"sum_rows(m{k}, {sizes[0]}, {place.buffer.base} + {address(place, [])}, {steps[outer[0]]});"]
        index = " + ".join(f"i{a} * {st}" for a, st in zip(outer, strides)) or "0"
        loops = "".join(f"for (i64 i{a} = 0; i{a} < {n}; i{a}++) " for a, n in zip(outer, sizes))
        fold = "fold_max" if s.kind == "max" else "fold_sum"
        return [f"{loops}{place.buffer.base}[{self.index(place)}] = {fold}(m{k}[{index}]);"]

    def _copy_rows(self, k, place, outer, sizes, strides, vectors) -> list[str]:
        index = " + ".join(f"i{a} * {st}" for a, st in zip(outer, strides)) or "0"
        loops = "".join(f"for (i64 i{a} = 0; i{a} < {n}; i{a}++) " for a, n in zip(outer, sizes))
        step = strides_of(place)[self.axis]
        n = self.nest.range[self.axis]
        target = f"{place.buffer.base} + {self.index(place)}"
        count = f"{n} - v < LANES ? {n} - v : LANES"
        body = f"store_apart({target}, m{k}[({index}) * {vectors} + v / LANES], {step}, {count});"
        return [f"{loops}for (i64 v = 0; v < {n}; v += LANES) {body}"]

    def _store(self, value: Value, place: Place, kind: str, level: int, lists: list[list[str]]) -> None:
        step = strides_of(place)[self.axis]
        base = f"{place.buffer.base} + {self.index(place)}"
        for u, name in enumerate(self.vectors(value)):
            partial = self.part.partial and u == self.part.tile - 1
            target = f"{base} + {u * self.lanes * step}"
            count = self.tail if partial else self.lanes
            if step == 1 and (not partial or (place.buffer.padded and kind == "set" and self._ends(place))):
                line = f"store({target}, load({target}) + {name});" if kind == "add" else f"store({target}, {name});"
            elif step == 1:
                new = f"load_some({target}, {count}) + {name}" if kind == "add" else name
                line = f"store_some({target}, {new}, {count});"
            else:
                new = f"load_apart({target}, {step}, {count}) + {name}" if kind == "add" else name
                line = f"store_apart({target}, {new}, {step}, {count});"
            lists[level].append(line)

    def _ends(self, place: Place) -> bool:
        """Whether the vector axis runs over all of the buffer's innermost axis, behind which is room."""
        inner = place.buffer.strides.index(1) if 1 in place.buffer.strides else None
        fits = self.nest.range[self.axis] == place.buffer.padded
        return fits and inner is not None and place.offset[inner] == 0 and place.coef[inner][self.axis] == 1
