"""The program of a sequence: what a step computes forward, back and again, and where each number lies.

A step is cut at its products with parameters: between them each sample runs a function of its own (a phase), the
products take a block of samples at once. For each step and sample there is a record: the state before the step (but
for large parts), what the products are given, and what the way back needs. Large parts of the state are kept every few
steps and computed again in between from the records ("replay").
"""

from typing import Any, NamedTuple

from .gradient import gradients
from .graph import Graph
from .node import Node, View
from .places import Buffer, Place, Room, dense, whole_place
from .saving import choose_saved
from .schedule import LARGE, Nest, Plan
from .trace import Trace


class Program(NamedTuple):
    """Its text, and what the calling side must know (plain values, kept beside the compiled code as JSON)."""

    source: str
    layout: dict[str, Any]


class Function(NamedTuple):
    """What one of a program's functions does: its plan, and the plan's nests by phase."""

    plan: Plan
    nests: dict[int, list[Nest]]


def bare(view: View) -> View:
    """Without axes of size 1."""
    return view.drop([j for j, n in enumerate(view.shape) if n == 1])


class Builder:
    """Collects the parts of a program, in the order in which they need each other.

    Args:
        trace: a step.
        lanes: numbers of a vector, at whose multiples buffers begin.
        plan: what groups statements into nests.
        replays: whether large parts of the state are computed again on the way back.
    """

    def __init__(self, trace: Trace, lanes: int, plan: type[Plan] = Plan, replays: bool = True):
        self.graph: Graph = trace.graph
        self.lanes, self.trace, self.plan, self.replays = lanes, trace, plan, replays
        self.output, self.after = bare(trace.output), [bare(v) for v in trace.state]
        self.reachable = _reachable([self.output, *self.after])
        self.states = [self._state(k, v) for k, v in enumerate(self.after)]
        self.forward_end = len(self.graph.nodes)
        self.large = [n.size > LARGE and len(n.shape) > 1 for n in self.states]
        self.rec, self.big, self.drec, self.dst = (Room(b, lanes) for b in ("rec", "cur", "drec", "dcur"))
        self.row, self.row_back = Room("row", lanes), Room("row", lanes)
        self.locals: list[Room] = []
        self.in_place: dict[str, bool] = {}
        self.functions: dict[str, Function] = {}

    def _local(self) -> Room:
        self.locals.append(Room("loc", self.lanes))
        return self.locals[-1]

    def _state(self, k: int, after: View) -> Node:
        return self.graph.make("state", after.shape, (), k)

    def build(self) -> "Builder":
        """Itself, once all of ``functions`` are there."""
        self.forward_phase = self._phases("product")
        self.products = [n for n in self.reachable if n.op == "product"]
        self.products.sort(key=lambda n: (self.forward_phase[n], n.id))
        self._differentiate()
        self._place_states()
        self._choose_saved()
        self._place_inputs()
        self._forward()
        self._backward()
        if self.replays:
            self._replay()
        return self

    # ---- The gradient ----

    def _differentiate(self) -> None:
        graph = self.graph
        roots = [self.output, *self.after]
        grads = [graph.make("grad", v.shape, (), k).whole() for k, v in enumerate(roots)]
        found = gradients(zip(roots, grads), graph)
        zero = graph.const(0.0)
        self.d_state = [bare(found.get(n, zero.expand(n.shape))) for n in self.states]
        self.d_product = [found.get(n, zero.expand(n.shape)) for n in self.products]
        self.d_x = next((d for n, d in found.items() if n.op == "x"), None)
        self.d_params = {n.attr: (n, d) for n, d in found.items() if n.op == "param" and self.trace.learnt[n.attr]}
        self.back_roots = [*self.d_state, *self.d_product, *(d for _, d in self.d_params.values())]
        self.back_roots += [self.d_x] if self.d_x is not None else []

    # ---- What the way back needs ----

    def _is_forward(self, node: Node) -> bool:
        return node.id < self.forward_end and node.op not in ("const", "iota")

    def _choose_saved(self) -> None:
        free = {n for n in self.graph.nodes if n.op in ("x", "param", "state")}
        free |= {n for n, b in self.homes.items() if b.base == "next"}
        replay = [v.node for v, large in zip(self.after, self.large) if large and self.replays]
        self.saved = choose_saved([v.node for v in self.back_roots], replay, self._is_forward, free)
        for node in self.saved:
            self.homes[node] = self.rec.take(node.shape)

    # ---- Where things lie ----

    def _place_states(self) -> None:
        """Slots of the state in a record: states that a product takes side by side, parts of one value together."""
        self.slots: dict[Node, Buffer] = {}  # in the record of the step before which they stand
        self.inputs: dict[Node, tuple[str, int]] = {}  # of products: where their input lies
        self.homes: dict[Node, Buffer] = {}  # of values of the step, in its record or the next one
        small = [(n, v) for n, v, large in zip(self.states, self.after, self.large) if not large]
        for product in self.products:
            parts = [a for a in product.args if a.node.op != "x"]
            nodes = [a.node for a in parts]
            if (
                parts
                and len(set(nodes)) == len(nodes)
                and all(
                    a.is_whole() and any(n is s for s, _ in small) and n not in self.slots and len(n.shape) == 1
                    for a, n in zip(parts, nodes)
                )
            ):
                self.inputs[product] = ("rec", self._side_by_side(nodes))
        for node, large in zip(self.states, self.large):
            if large:
                self.slots[node] = self.big.take(node.shape)
        left = [(n, v) for n, v in small if n not in self.slots]
        for node, view in left:
            if node not in self.slots:
                self._take_together([(n, v) for n, v in left if v.node is view.node])
        for node, view in small:
            if view.is_whole() and self._can_be_home(view.node):
                self.homes[view.node] = self.slots[node]._replace(base="next")

    def _can_be_home(self, node: Node) -> bool:
        return node.op not in ("x", "param", "const", "state", "product") and node not in self.homes

    def _take_together(self, parts: list[tuple[Node, View]]) -> None:
        """One slot for states that are parts of one value, which then lies there whole."""
        value = parts[0][1].node
        places = [v.flat_indices() for _, v in parts]
        covered = len(set().union(*(p.ravel().tolist() for p in places)))
        if len(parts) == 1 or covered != sum(p.size for p in places) or not self._can_be_home(value):
            for node, _ in parts:
                self.slots[node] = self.rec.take(node.shape)
            return
        buffer = self.rec.take(value.shape)
        self.homes[value] = buffer._replace(base="next")
        for node, view in parts:
            first = buffer.first + sum(o * st for o, st in zip(view.offset, buffer.strides))
            steps = [sum(row[j] * st for row, st in zip(view.coef, buffer.strides)) for j in range(len(view.shape))]
            self.slots[node] = Buffer("rec", first, tuple(steps), 0)

    def _place_inputs(self) -> None:
        self.copies: list[tuple[View, Buffer]] = []
        for product in self.products:
            if product not in self.inputs:
                self.inputs[product] = self._gathered([a for a in product.args if a.node.op != "x"])

    def _side_by_side(self, nodes: list[Node]) -> int:
        size = sum(n.size for n in nodes)
        region = self.rec.take((size,))
        first = region.first
        for node in nodes:
            self.slots[node] = Buffer("rec", first, (1,), 0)
            first += node.size
        return region.first

    def _gathered(self, parts: list[View]) -> tuple[str, int]:
        """Where a product finds its input: where a single part lies anyway, or where copies are put together."""
        if not parts:
            return "rec", 0
        if len(parts) == 1 and len(parts[0].node.shape) == 1 and parts[0].is_whole():
            buffer = self.homes.get(parts[0].node) or self.slots.get(parts[0].node)
            if buffer is not None:
                return buffer.base, buffer.first
        region = self.rec.take((sum(p.shape[0] for p in parts),))
        first = region.first
        for part in parts:
            self.copies.append((part, Buffer("rec", first, (1,), 0)))
            first += part.shape[0]
        return "rec", region.first

    def _phases(self, kind: str) -> dict[Node, int]:
        """How many products come before each node."""
        phases: dict[Node, int] = {}
        for node in self.graph.nodes:
            last = max((phases.get(a.node, 0) for a in node.args), default=0)
            phases[node] = last + (node.op == kind)
        return phases

    # ---- The three programs ----

    def _leaves(self) -> dict[Node, Buffer]:
        leaves = {}
        for node in self.graph.nodes:
            if node.op == "x":
                leaves[node] = dense("x", 0, node.shape)
            elif node.op == "param":
                leaves[node] = dense(f"par{node.attr}", 0, node.shape)
        return leaves

    def _settle(self, name: str, plan: Plan, over: tuple[str, str] | None = None) -> None:
        """Keep the plan's nests; ``over``: rooms before and after of which one will do, where no nest minds."""
        nests = plan.nests()
        if over is not None:
            before, after = over
            self.in_place[name] = plan.may_overwrite(nests, before, after)
            if self.in_place[name]:
                for statement in plan.statements:
                    buffer = statement.place.buffer
                    if buffer.base == after:
                        statement.place = statement.place._replace(buffer=buffer._replace(base=before))
        self.functions[name] = Function(plan, nests)

    def _forward(self) -> None:
        leaves = self._leaves()
        for node in self.states:
            leaves[node] = self.slots[node]
        for product in self.products:
            home = self.homes.get(product)
            leaves[product] = home or Buffer("row", self.row.take(product.shape).first, (1,), 0)
        self.product_rows = {p: leaves[p] for p in self.products}
        plan = self.plan(leaves, self._local(), self.row, self.forward_phase)
        results: list[tuple[View, Place, Node | None]] = []
        placed: set[Node] = set()

        def put(view: View, buffer: Buffer) -> None:
            node = view.node
            first = view.is_whole() and node not in placed and node not in leaves and node.op not in ("const", "iota")
            if first:
                placed.add(node)
            results.append((view, whole_place(view.shape, buffer), node if first else None))

        for node, buffer in self.homes.items():
            if node.op != "product":
                put(node.whole(), buffer)
        for node, view, large in zip(self.states, self.after, self.large):
            base = "nxt" if large else "next"
            if not self._lies_there(view, self.slots[node]._replace(base=base)):
                put(view, self.slots[node]._replace(base=base))
        for view, buffer in self.copies:
            put(view, buffer)
        put(self.output, dense("out", 0, self.output.shape))
        early = {a.node for p in self.products for a in p.args} | {view.node for view, _ in self.copies}
        plan.decide(results, early)
        self._settle("forward", plan, ("cur", "nxt"))

    def _lies_there(self, view: View, slot: Buffer) -> bool:
        """Whether a state is part of a value that lies in its slot anyway."""
        home = self.homes.get(view.node)
        if home is None or home.base != slot.base:
            return False
        first = home.first + sum(o * st for o, st in zip(view.offset, home.strides))
        steps = [sum(r[j] * st for r, st in zip(view.coef, home.strides)) for j in range(len(view.shape))]
        return first == slot.first and tuple(steps) == slot.strides

    def _kept_leaves(self, large: str) -> dict[Node, Buffer]:
        leaves = self._leaves()
        for node, is_large in zip(self.states, self.large):
            leaves[node] = self.slots[node]._replace(base=large) if is_large else self.slots[node]
        leaves |= self.homes
        return leaves

    def _backward(self) -> None:
        leaves = self._kept_leaves("seg")
        order = {n: k for k, n in enumerate(self.products)}
        self.d_slots = [self.dst.take(n.shape) for n in self.states]
        self.d_rows = [self.drec.take(p.shape) for p in self.products]
        for node in self.graph.nodes:
            if node.op == "grad":
                k = node.attr
                leaves[node] = dense("dout", 0, node.shape) if k == 0 else self.d_slots[k - 1]
        self.back_products = []
        phases = self._phases("product_t")
        reached = _reachable(self.back_roots)
        for node in reached:
            if node.op == "product_t":
                leaves[node] = Buffer("row", self.row_back.take(node.shape).first, (1,), 0)
                of = next(p for p in self.products if p.id == node.attr[0])
                self.back_products.append((node, order[of], phases[node], leaves[node].first))
        self.back_products.sort(key=lambda p: p[2])
        plan = self.plan(leaves, self._local(), self.row_back, phases)
        results: list[tuple[View, Place, Node | None]] = []
        placed: set[Node] = set()

        def put(view: View, buffer: Buffer, kind: str = "set") -> None:
            node = view.node
            first = view.is_whole() and node not in placed and node not in leaves and kind == "set"
            first = first and node.op not in ("const", "iota")
            if first:
                placed.add(node)
            results.append((view, whole_place(view.shape, buffer), node if first else None))
            if kind == "add":
                adding.append(len(results) - 1)

        adding: list[int] = []
        for k, d in enumerate(self.d_product):
            put(d, self.d_rows[k])
        for k, d in enumerate(self.d_state):
            put(d, self.d_slots[k]._replace(base="dnxt"))
        if self.d_x is not None:
            put(self.d_x, dense("dx", 0, self.d_x.shape))
        self.accumulated = {}
        total = 0
        for index, (node, d) in sorted(self.d_params.items()):
            self.accumulated[index] = (total, node.size)
            put(d, dense("dpar", total, node.shape), "add")
            total += node.size
        self.bias_sums = []
        for product, d in zip(self.products, self.d_product):
            self.bias_sums.append(total)
            if product.attr[1]:
                put(d, dense("dpar", total, d.shape), "add")
                total += product.size
        self.accumulators = total
        plan.decide(results, {d.node for d in self.d_product}, adding)
        self._settle("backward", plan, ("dcur", "dnxt"))

    def _replay(self) -> None:
        plan = self.plan(self._kept_leaves("cur"), self._local(), self.row, {})
        results: list[tuple[View, Place, Node | None]] = []
        for node, view, large in zip(self.states, self.after, self.large):
            if large:
                results.append((view, whole_place(view.shape, self.slots[node]._replace(base="nxt")), None))
        plan.decide(results)
        self._settle("replay", plan)


def _reachable(roots: list[View]) -> list[Node]:
    seen: set[Node] = set()
    queue = [v.node for v in roots]
    while queue:
        node = queue.pop()
        if node not in seen:
            seen.add(node)
            queue += [a.node for a in node.args]
    return sorted(seen, key=lambda n: n.id)
