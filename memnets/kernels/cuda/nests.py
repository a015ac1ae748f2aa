"""Loop nests as CUDA, for a block of threads.

Threads share out the range of a nest's results. A sum has a group of threads of one warp for each result, who take
turns and add up what they have through the warp; neighbours take neighbouring numbers.
"""

import itertools
import math
from typing import NamedTuple

from ..generate.expressions import Expressions, Part, strides_of
from ..generate.node import View
from ..generate.places import Place, turned, turned_place
from ..generate.schedule import Nest, Plan, Statement

WARP = 32


class Text(NamedTuple):
    """Code for the threads numbered ``me`` from 0, and how many it has work for (whole warps)."""

    lines: list[str]
    threads: int


class BlockPlan(Plan):
    """A plan whose nests threads can share: all sums over the same axes, and no two that add to one value."""

    def _shared(self, statement: Statement, nest: Nest, order: tuple[int, ...]) -> int | None:
        own = _reduced(statement, order)
        for other, its in zip(nest.statements, nest.orders):
            if own and other.reduced and own != _reduced(other, its):
                return None
            if statement.node is not None and statement.node is other.node and "add" in (statement.kind, other.kind):
                return None
        return super()._shared(statement, nest, order)


def _reduced(statement: Statement, order: tuple[int, ...]) -> frozenset[int]:
    return frozenset(order[len(order) - statement.reduced :])


def group_of(results: int, terms: int, threads: int) -> int:
    """How many threads share one result's terms: a power of two, as long as there are threads and terms."""
    group = 1
    while group < WARP and 2 * group * results <= threads and 2 * group <= terms:
        group *= 2
    return group


def warps_for(results: int, group: int) -> int:
    """Threads that have work, in whole warps."""
    return WARP * -(-results * group // WARP)


class BlockWriter(Expressions):
    """Writes one nest; every value is a single number."""

    def __init__(self, plan: Plan, nest: Nest, names: "itertools.count[int]", threads: int):
        super().__init__(plan, nest, 1, names)
        self.threads = threads
        self.order, self.axis, self.part, self.tail = (), -1, Part(0, 1, 1, False), 0
        self.memo, self.bodies = {}, [[], [], []]
        self.statements = [
            (s, turned(s.value, o), turned_place(s.place, o)) for s, o in zip(nest.statements, nest.orders)
        ]
        sets = [_reduced(s, o) for s, o in zip(nest.statements, nest.orders) if s.reduced]
        self.reduced = sets[0] if sets else frozenset()
        self.level_of = {a: 2 if a in self.reduced else 1 for a in range(len(nest.range))}
        self.sums: list[tuple[str, str, str]] = []  # name, kind, where it goes

    def write(self) -> Text:
        """The nest's code."""
        for k, statement in enumerate(self.statements):
            self._statement(k, *statement)
        results = self._ranked([a for a in range(len(self.nest.range)) if a not in self.reduced])
        count = math.prod(self.nest.range[a] for a in results)
        if self.reduced:
            return self._sums(results, count)
        inner = [*self.bodies[0], f"for (int r = me; r < {count}; r += THREADS) {{"]
        inner += [*self._decode("r", results), *self.bodies[1], "}"]
        return Text([f"if (me < {count}) {{", *inner, "}"], warps_for(count, 1))

    def _sums(self, results: list[int], count: int) -> Text:
        terms = self._ranked(sorted(self.reduced))
        each = math.prod(self.nest.range[a] for a in terms)
        group = group_of(count, each, self.threads)
        across = WARP // group
        by_terms = not results or self._cost(terms[-1]) < self._cost(results[-1])
        member, own, step = (
            (f"me % {group}", f"me % 32 / {group}", 1)
            if by_terms
            else (f"me % 32 / {across}", f"me % {across}", across)
        )
        need = min(self.threads, warps_for(count, group))
        lines = [
            f"if (me < {need}) {{",
            *self.bodies[0],
            f"const int member = {member};",
            f"for (int base = me / 32 * {across}; base < {count}; base += THREADS / 32 * {across}) {{",
            f"const int r = base + {own};",
            *self._decode("r", results),
            *(f"real {name} = {'-INFINITY' if kind == 'max' else 'R(0.0)'};" for name, kind, _ in self.sums),
            f"if (r < {count}) {{",
            *self.bodies[1],
            "#pragma unroll 4",
            f"for (int q = member; q < {each}; q += {group}) {{",
            *self._decode("q", terms),
            *self.bodies[2],
            "}",
            "}",
            *(f"{name} = group_{kind}<{group}, {step}>({name});" for name, kind, _ in self.sums),
            f"if (r < {count} && member == 0) {{",
            *(f"{place} = {name};" for name, _, place in self.sums),
            "}",
            "}",
            "}",
        ]
        return Text(lines, need)

    def _statement(self, k: int, s: Statement, view: View, place: Place) -> None:
        value = self.real(self.value(view, s.node)).names[0]
        kept = s.node is None or s.node in self.plan.kept
        target = f"{place.buffer.base}[{self.index(place)}]"
        if s.reduced:
            name = f"a{k}"
            self.sums.append((name, s.kind, target))
            joined = f"s_maximum({name}, {value})" if s.kind == "max" else f"{name} + {value}"
            self.bodies[2].append(f"{name} = {joined};")
        elif kept:
            deepest = 2 if self.reduced else 1
            self.bodies[deepest].append(f"{target} {'+=' if s.kind == 'add' else '='} {value};")

    # ---- Which thread takes what ----

    def _ranked(self, axes: list[int]) -> list[int]:
        """The axes with the one last along which neighbours lie best."""
        if not axes:
            return []
        last = min(axes, key=lambda a: (self._cost(a), -a))
        return [*(a for a in axes if a != last), last]

    def _cost(self, axis: int) -> float:
        """What it costs that neighbouring threads lie along an axis: memory comes in rows of 32 banks."""
        places = [Place(self.plan.buffers[v.node], v.offset, v.coef) for v in self._reads()]
        places += [place for s, _, place in self.statements if not s.reduced]
        steps = [abs(strides_of(place)[axis]) for place in places]
        return sum(0.0 if step < 2 else 0.25 + math.gcd(step, WARP) / 8 for step in steps)

    def _reads(self) -> list[View]:
        found = {}
        for s, order in zip(self.nest.statements, self.nest.orders):
            for read in s.reads:
                view = turned(read, order)
                if view.key not in self.nest.made.get(read.node, ()):
                    found[view.key] = view
        return list(found.values())

    def _decode(self, number: str, axes: list[int]) -> list[str]:
        """The axes' indices from a number that counts through them."""
        lines, below = [], 1
        for a in reversed(axes):
            size = self.nest.range[a]
            index = number if below == 1 else f"{number} / {below}"
            index = index if a == axes[0] else f"{index} % {size}"
            lines.append(f"const int i{a} = {index};")
            below *= size
        return lines
