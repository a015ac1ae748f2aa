"""Loop nests as CUDA, for a block of threads.

Threads share out the results of a nest. A result that is made of many terms, such as a sum, has a group of threads of
one warp, who take turns at the terms and add up what they have through the warp; neighbours take neighbouring numbers.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from ..generate.expressions import Expressions, Part, strides_of
from ..generate.node import View
from ..generate.places import Place, turned, turned_place
from ..generate.schedule import Nest, Plan, Statement

WARP = 32


class Text(NamedTuple):
    """Code for the threads numbered ``me`` from 0, and how many it has work for (whole warps)."""

    lines: list[str]
    threads: int


class Mapping(NamedTuple):
    """Which thread does what: a group of threads for each index of ``rows``, who take turns at those of ``terms``.

    ``by_terms``: neighbouring threads take neighbouring terms, else neighbouring rows.
    """

    rows: tuple[int, ...]
    terms: tuple[int, ...]
    group: int
    by_terms: bool

    @property
    def across(self) -> int:
        """How many rows a warp takes at once."""
        return WARP // self.group


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


class Layout:
    """How the threads of a block may share a nest."""

    def __init__(self, plan: Plan, nest: Nest, threads: int):
        self.plan, self.nest, self.threads = plan, nest, threads
        sets = [_reduced(s, o) for s, o in zip(nest.statements, nest.orders) if s.reduced]
        self.reduced = sets[0] if sets else frozenset()

    def best(self) -> Mapping:
        """The one that uses most threads."""
        return self.mapping(frozenset(range(len(self.nest.range))) - self.reduced)

    def mapping(self, rows: frozenset[int], group: int | None = None) -> Mapping:
        """The one with these axes as rows."""
        outer = self._ranked(sorted(rows))
        inner = self._ranked([a for a in range(len(self.nest.range)) if a not in rows])
        if group is None:
            group = group_of(self.count(outer), self.count(inner), self.threads)
        by_terms = bool(inner) and (not outer or self._cost(inner[-1]) < self._cost(outer[-1]))
        return Mapping(tuple(outer), tuple(inner), group, by_terms)

    def others(self, group: int) -> list[Mapping]:
        """Further ones with groups of that size, as far as they keep no thread long."""
        axes = range(len(self.nest.range))
        free = [a for a in axes if a not in self.reduced]
        sets = (
            [frozenset(free)] if self.reduced else [frozenset(s) for n in axes for s in itertools.combinations(axes, n)]
        )
        found = [self.mapping(rows, group) for rows in {*sets, frozenset(free)}]
        return [m for m in found if self.turns(m) <= 8]

    def turns(self, m: Mapping) -> int:
        """How many numbers each thread goes through."""
        return -(-self.count(m.rows) * m.group // self.threads) * -(-self.count(m.terms) // m.group)

    def count(self, axes: "tuple[int, ...] | list[int]") -> int:
        """Numbers along these axes."""
        return math.prod(self.nest.range[a] for a in axes)

    def warps(self, m: Mapping) -> np.ndarray:
        """Which warp has each index of the nest's range."""
        shape = [self.nest.range[a] for a in m.rows]
        row = np.arange(self.count(m.rows)).reshape([*shape, *[1] * len(m.terms)])
        back = [[*m.rows, *m.terms].index(a) for a in range(len(self.nest.range))]
        return np.broadcast_to((row // m.across % (self.threads // WARP)).transpose(back), self.nest.range)

    def _ranked(self, axes: list[int]) -> list[int]:
        """The axes with the one last along which neighbours lie best."""
        if not axes:
            return []
        last = min(axes, key=lambda a: (self._cost(a), -a))
        return [*(a for a in axes if a != last), last]

    def _cost(self, axis: int) -> float:
        """What it costs that neighbouring threads lie along an axis: memory comes in rows of 32 banks."""
        places = [Place(self.plan.buffers[v.node], v.offset, v.coef) for v in self._reads()]
        pairs = zip(self.nest.statements, self.nest.orders)
        places += [turned_place(s.place, o) for s, o in pairs if not s.reduced]
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


class BlockWriter(Expressions):
    """Writes one nest; every value is a single number."""

    def __init__(self, plan: Plan, nest: Nest, names: "itertools.count[int]", threads: int):
        super().__init__(plan, nest, 1, names)
        self.threads = threads
        self.order, self.axis, self.part, self.tail = (), -1, Part(0, 1, 1, False), 0

    def write(self, m: Mapping) -> Text:
        """The nest's code."""
        self.memo, self.bodies = {}, [[], [], []]
        self.level_of = {a: 2 if a in m.terms else 1 for a in range(len(self.nest.range))}
        self.deepest = 2 if m.terms else 1
        self.sums: list[tuple[str, str, str]] = []  # name, kind, where it goes
        for k, (s, order) in enumerate(zip(self.nest.statements, self.nest.orders)):
            self._statement(k, s, turned(s.value, order), turned_place(s.place, order))
        rows, each = (math.prod(self.nest.range[a] for a in axes) for axes in (m.rows, m.terms))
        if m.group == 1 and not m.terms:
            inner = [*self.bodies[0], f"for (int r = me; r < {rows}; r += THREADS) {{"]
            inner += [*self._decode("r", m.rows), *self.bodies[1], "}"]
            return Text([f"if (me < {rows}) {{", *inner, "}"], warps_for(rows, 1))
        need = min(self.threads, warps_for(rows, m.group))
        member, own, step = f"me % 32 / {m.across}", f"me % {m.across}", m.across
        if m.by_terms:
            member, own, step = f"me % {m.group}", f"me % 32 / {m.group}", 1
        lines = [
            f"if (me < {need}) {{",
            *self.bodies[0],
            f"const int member = {member};",
            f"for (int base = me / 32 * {m.across}; base < {rows}; base += THREADS / 32 * {m.across}) {{",
            f"const int r = base + {own};",
            *self._decode("r", m.rows),
            *(f"real {name} = {'-INFINITY' if kind == 'max' else 'R(0.0)'};" for name, kind, _ in self.sums),
            f"if (r < {rows}) {{",
            *self.bodies[1][: None if m.terms else 0],
            "#pragma unroll 4",
            f"for (int q = member; q < {each}; q += {m.group}) {{",
            *self._decode("q", m.terms),
            *self.bodies[self.deepest],
            "}",
            "}",
            *(f"{name} = group_{kind}<{m.group}, {step}>({name});" for name, kind, _ in self.sums),
        ]
        if self.sums:
            lines += [
                f"if (r < {rows} && member == 0) {{",
                *(f"{place} = {name};" for name, _, place in self.sums),
                "}",
            ]
        return Text([*lines, "}", "}"], need)

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
            self.bodies[self.deepest].append(f"{target} {'+=' if s.kind == 'add' else '='} {value};")

    def _decode(self, number: str, axes: tuple[int, ...]) -> list[str]:
        """The axes' indices from a number that counts through them."""
        lines, below = [], 1
        for a in reversed(axes):
            size = self.nest.range[a]
            index = number if below == 1 else f"{number} / {below}"
            index = index if a == axes[0] else f"{index} % {size}"
            lines.append(f"const int i{a} = {index};")
            below *= size
        return lines
