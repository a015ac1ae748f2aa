"""From nodes to loop nests: which values are stored, and which statements share a loop.

A statement stores an elementwise value over a range, or reduces one. Values that are read once are written where they
are read. Statements over the same range go into one nest, so that what one makes another reads from a register, and
arrays that several read are read once.
"""

import itertools
import math
from collections.abc import Container
from dataclasses import dataclass, field

from .node import Node, Shape, View
from .places import Buffer, Place, Room, turned, turned_place

CHEAP = frozenset("add sub mul neg stop copy where maximum minimum abs relu sign gt ge lt le eq ne".split())  # noqa: SIM905
"""Operations that cost no more than reading a number."""

LARGE = 1024
"""Values with more numbers are computed again rather than stored, where that is cheap."""


@dataclass(eq=False)
class Statement:
    """``place[range] = value[range]`` ("set"), ``+=`` ("add"), or a reduction ("sum", "max") over the last axes.

    ``node`` is what it makes, whole or in part; ``opaque`` nodes (sorts, scans, scatters) are written as one.
    """

    kind: str
    node: Node | None
    value: View
    place: Place
    reduced: int = 0
    base: Node | None = None  # the node, where another statement must have filled it before
    reads: list[View] = field(default_factory=list)

    @property
    def range(self) -> Shape:
        """The range over which it runs: that of its result, then the reduced axes."""
        return self.value.shape


@dataclass(eq=False)
class Nest:
    """Statements over one range; ``orders[i]`` maps the axes of statement i to those of the nest."""

    range: Shape
    statements: list[Statement]
    orders: list[tuple[int, ...]]
    made: dict[Node, set[object]]
    """What is made here, and as which views a statement may read it from a register; none if only afterwards."""


OPAQUE = ("scan", "sort", "scatter")


class Plan:
    """The nests that compute some values from others.

    Args:
        leaves: where nodes that are given lie.
        local: room for values between nests.
        shared: room for values that outlive a phase, per sample; None where there is but one phase.
        phase: of each node: how many products with parameters come before it.
    """

    def __init__(self, leaves: dict[Node, Buffer], local: Room, shared: Room, phases: dict[Node, int]):
        self.buffers = dict(leaves)
        self.leaves = leaves
        self.local, self.shared, self.phases = local, shared, dict(phases)
        self.stored: set[Node] = set()
        self.statements: list[Statement] = []

    # ---- What is stored ----

    def decide(
        self,
        results: list[tuple[View, Place, Node | None]],
        early: Container[Node] = (),
        adding: Container[int] = (),
    ) -> None:
        """Fill ``statements`` in an order in which each comes after what it reads.

        Args:
            results: (a value, where it goes, the node that it is if it is one whole).
            early: what products wait for, which is not put off to a later phase.
            adding: which of the results are added to what is there.
        """
        users: dict[Node, set[object]] = {}
        seen: set[Node] = set()
        forced: set[Node] = set()
        queue = []
        for k, (value, _, _) in enumerate(results):
            users.setdefault(value.node, set()).add(k)
            queue.append(value.node)
        while queue:
            node = queue.pop()
            if node in seen or node in self.leaves:
                continue
            seen.add(node)
            for k, arg in enumerate(node.args):
                users.setdefault(arg.node, set()).add(node)
                queue.append(arg.node)
                if (node.op == "gather" and k == 0) or (node.op in OPAQUE and arg.node.op != "const"):
                    forced.add(arg.node)
        order = sorted(seen, key=lambda n: n.id)
        made = {node: place for _, place, node in results if node is not None}
        for node in order:
            wanted = node.op not in ("const", "iota") and self._wants_store(node, users[node])
            if node in made or node in forced or wanted:
                self.stored.add(node)
        self._delay(order, users, early)
        self._find_crossing(order, users)
        for node in order:
            if node in self.stored:
                self._make(node, made.get(node))
        for k, (value, place, node) in enumerate(results):
            if node is None:
                self._add(Statement("add" if k in adding else "set", None, value, place))
        self.kept = set(made)

    def _delay(self, order: list[Node], users: dict[Node, set[object]], early: Container[Node]) -> None:
        """Move what no earlier phase reads to the phase that reads it, where it may share a loop."""
        for node in reversed(order):
            readers = [user for user in users[node] if isinstance(user, Node)]
            if readers and node not in early:
                self.phases[node] = min(self.phases.get(user, 0) for user in readers)

    def _find_crossing(self, order: list[Node], users: dict[Node, set[object]]) -> None:
        """Which values are read in a later phase than the one that makes them."""
        latest: dict[Node, int] = {}
        for node in reversed(order):
            own = self.phases.get(node, 0)
            late = [own]
            for user in users[node]:
                if isinstance(user, Node):
                    late.append(self.phases.get(user, 0) if user in self.stored else latest[user])
            latest[node] = max(late)
        self.crossing = {node for node in order if latest[node] > self.phases.get(node, 0)}

    def _wants_store(self, node: Node, users: set[object]) -> bool:
        if node.op in ("sum", "max", "assemble", *OPAQUE):
            return True
        if len(users) == 1:
            user = next(iter(users))
            wider = isinstance(user, Node) and math.prod(user.domain) > node.size
            if isinstance(user, Node) and user.op in OPAQUE:
                return True
            return wider and node.op not in CHEAP
        return not (node.op in CHEAP and node.size > LARGE)

    def _make(self, node: Node, place: Place | None) -> None:
        if place is None:
            buffer = (self.shared if node in self.crossing else self.local).take(node.shape)
        else:
            buffer = place.buffer
        self.buffers[node] = buffer
        whole = node.whole()
        home = Place(buffer, whole.offset, whole.coef)
        if node.op in ("sum", "max"):
            rows = tuple((*row, *(0,) * node.attr) for row in whole.coef)
            self._add(Statement(node.op, node, node.args[0], Place(buffer, whole.offset, rows), node.attr))
        elif node.op == "assemble":
            mode, based, maps = node.attr
            if based:
                self._add(Statement("set", node, node.args[-1], home))
            for value, (_, offset, coef) in zip(node.args, maps):
                part = Statement(mode, node, value, Place(buffer, offset, coef), base=node if based else None)
                self._add(part)
        elif node.op in OPAQUE:
            self._add(Statement("opaque", node, whole, home), split=False)
        else:
            self._add(Statement("set", node, whole, home))

    def _add(self, statement: Statement, split: bool = True) -> None:
        """Add it, cut apart along short axes of ranges with three or more."""
        shape = statement.range
        kept = len(shape) - statement.reduced
        short = [j for j in range(kept) if shape[j] <= 4]
        if split and len(shape) > 2 and short:
            j = short[0]
            for i in range(shape[j]):
                place = statement.place
                offset = tuple(o + row[j] * i for o, row in zip(place.offset, place.coef))
                coef = tuple(row[:j] + row[j + 1 :] for row in place.coef)
                part = Statement(
                    statement.kind,
                    statement.node,
                    statement.value.select(j, i),
                    Place(place.buffer, offset, coef),
                    statement.reduced,
                    statement.base,
                )
                self._add(part)
            return
        self.statements.append(statement)

    def may_overwrite(self, phases: dict[int, list[Nest]], before: str, after: str) -> bool:
        """Whether what is stored in ``after`` may be laid over what is read from ``before``, each in the same place.

        No statement may read a number once it is overwritten: reads come in earlier nests, or of the very same place.
        """
        first: dict[int, int] = {}  # each buffer of ``after`` by its first number: the nest that stores it
        nests = [nest for phase in sorted(phases) for nest in phases[phase]]
        places = {}
        for k, nest in enumerate(nests):
            for statement, order in zip(nest.statements, nest.orders):
                place = statement.place
                if place.buffer.base == after and (statement.node is None or statement.node in self.kept):
                    first.setdefault(place.buffer.first, k)
                    places.setdefault(place.buffer.first, []).append((k, turned_place(place, order)))
        for k, nest in enumerate(nests):
            for statement, order in zip(nest.statements, nest.orders):
                for read in statement.reads:
                    buffer = self.leaves.get(read.node)
                    if buffer is None or buffer.base != before or buffer.first not in first:
                        continue
                    at = first[buffer.first]
                    view = turned(read, order)
                    same = all(
                        p.offset == view.offset and p.coef == view.coef for j, p in places[buffer.first] if j == k
                    )
                    if k > at or (k == at and not same) or (statement.reduced and k == at and not same):
                        return False
        return True

    # ---- What shares a nest ----

    def nests(self) -> dict[int, list[Nest]]:
        """The nests of each phase, in order."""
        phases: dict[int, list[Nest]] = {}
        where: dict[Node, int] = {}  # the last nest of its phase that works on a node
        bases: dict[Node, int] = {}
        for statement in self.statements:
            statement.reads = self.reads_of(statement)
            phase = max([self.phases.get(v.node, 0) for v in statement.reads], default=0)
            if statement.node is not None:
                phase = max(phase, self.phases.get(statement.node, 0))
            nests = phases.setdefault(phase, [])
            needs = [v.node for v in statement.reads if v.node in self.stored]
            earliest = max([where[n] for n in needs if self._phase_of(n, phase)], default=0)
            if statement.base is not None:  # parts wait for what they are laid over
                earliest = max(earliest, bases[statement.base] + 1)
            at = next(
                (k for k in range(earliest, len(nests)) if self._join(statement, nests[k])),
                None,
            )
            if at is None:
                at = len(nests)
                nests.append(self._alone(statement))
            if statement.node is not None:
                where[statement.node] = max(at, where.get(statement.node, 0))
                if statement.base is None:
                    bases[statement.node] = max(at, bases.get(statement.node, 0))
        self._keep_what_is_read(phases)
        return phases

    def _keep_what_is_read(self, phases: dict[int, list[Nest]]) -> None:
        """Values that only their own nest reads need no place."""
        for nest in (nest for nests in phases.values() for nest in nests):
            self.kept |= {n for n in nest.made if n.op in ("sum", "max", "assemble", *OPAQUE)}
            for statement, order in zip(nest.statements, nest.orders):
                for read in statement.reads:
                    keys = nest.made.get(read.node)
                    if keys is None or turned(read, order).key not in keys:
                        self.kept.add(read.node)

    def _phase_of(self, node: Node, phase: int) -> bool:
        return self.phases.get(node, 0) == phase

    def reads_of(self, statement: Statement) -> list[View]:
        """Each stored node or leaf that it reads, seen over its range."""
        found: dict[object, View] = {}

        def look(view: View, inside: bool) -> None:
            node = view.node
            if node.op in ("const", "iota"):
                return
            if not inside and (node in self.leaves or node in self.stored):
                found.setdefault(view.key, view)
                return
            for arg in node.args:
                if node.op in OPAQUE:
                    found.setdefault(arg.key, arg)
                else:
                    look(view.compose(arg), False)

        own = statement.node
        makes = own is not None and own.op not in ("sum", "max", "assemble") and statement.value.node is own
        look(statement.value, makes)
        return list(found.values())

    def _alone(self, statement: Statement) -> Nest:
        shape = statement.range if statement.kind != "opaque" else ()
        nest = Nest(shape, [], [], {})
        self._put(statement, nest, tuple(range(len(shape))))
        return nest

    def _put(self, statement: Statement, nest: Nest, order: tuple[int, ...]) -> None:
        nest.statements.append(statement)
        nest.orders.append(order)
        if statement.node is None:
            return
        keys = nest.made.setdefault(statement.node, set())
        if statement.kind == "set" and statement.value.node is statement.node:
            keys.add(turned(statement.value, order).key)

    def _join(self, statement: Statement, nest: Nest) -> bool:
        if statement.kind == "opaque" or not nest.range or sorted(statement.range) != sorted(nest.range):
            return False
        if any(s.kind == "opaque" for s in nest.statements):
            return False
        best, most = None, -1
        for order in itertools.permutations(range(len(nest.range))):
            if any(nest.range[a] != n for a, n in zip(order, statement.range)):
                continue
            shared = self._shared(statement, nest, order)
            if shared is not None and shared > most:
                best, most = order, shared
        if best is None:
            return False
        self._put(statement, nest, best)
        return True

    def _shared(self, statement: Statement, nest: Nest, order: tuple[int, ...]) -> int | None:
        """How many reads it has in common with the nest; None where it needs what is complete only afterwards."""
        keys = set()
        for read in statement.reads:
            view = turned(read, order)
            if view.key not in nest.made.get(read.node, (view.key,)):
                return None
            keys.add(view.key)
        there = {turned(r, o).key for s, o in zip(nest.statements, nest.orders) for r in s.reads}
        return len(keys & there)
