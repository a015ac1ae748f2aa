"""A cell's step, run once on a batch of one, as a graph.

Every ATen operator that the step calls is seen below autograd. Those on parameters alone are kept as a list of calls
(the prologue), which PyTorch runs before each sequence and differentiates itself. Changes in place become new values
of what they change.
"""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ...base.state import state_tensors
from .graph import Graph
from .node import Node, View
from .prologue import Call, Slot, leaves, needed_calls
from .rules import RULES, VIEWS, NoRuleError, put

_VALUES = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select", "unique2", "bincount")


class UntraceableError(Exception):
    """A step that cannot be generated; the message names the operator and the line that called it."""


class Base:
    """The numbers that a tensor and its views share: the value so far, or a tensor that is not of the step."""

    def __init__(self, kind: str, value: View | None, real: Tensor | None):
        self.kind, self.value, self.real = kind, value, real  # kind: "step", "param", "const" or "given"


class Entry(NamedTuple):
    """A tensor of the trace: the views that lead to it from its base."""

    base: Base
    chain: tuple[Callable[[View], View], ...]

    def view(self) -> View:
        """It in the graph."""
        assert self.base.value is not None
        view = self.base.value
        for rule in self.chain:
            view = rule(view)
        return view


class Trace(NamedTuple):
    """A step as a graph.

    Attributes:
        graph: all nodes.
        output: ``(F,)`` or any shape that the cell's output has without its batch.
        state: each tensor of the next state.
        sources: for each ``param`` leaf the slot of the prologue that holds it.
        input_shape: of x without its batch.
        shapes: of each ``param`` leaf.
        learnt: for each ``param`` leaf whether it may want a gradient.
        given: tensors that stand in the slots from the start, by number.
        prologue: calls on them.
    """

    graph: Graph
    output: View
    state: list[View]
    input_shape: tuple[int, ...]
    sources: list[int]
    shapes: list[tuple[int, ...]]
    learnt: list[bool]
    given: dict[int, Tensor]
    prologue: list[Call]


class _NoHooks(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("register_hook", "register_post_accumulate_grad_hook"):
            raise UntraceableError(f"{func.__name__}, whose gradient only the plain cell knows, at {_line()}")
        return func(*args, **(kwargs or {}))


class _Tracer(TorchDispatchMode):
    def __init__(self, graph: Graph, parameters: set[int]) -> None:
        super().__init__()
        self.graph, self.parameters = graph, parameters
        self.entries: dict[int, Entry] = {}
        self.numbers: dict[int, int] = {}
        self.alive: list[Tensor] = []
        self.sources: list[int] = []
        self.learnt: list[bool] = []
        self.wants: set[int] = set()  # tensors outside the step that may want a gradient, by id
        self.shapes: list[tuple[int, ...]] = []
        self.given: dict[int, Tensor] = {}
        self.constants: set[int] = set()  # slots of tensors that the step made of nothing
        self.calls: list[Call] = []

    def add(self, tensor: Tensor, entry: Entry) -> None:
        self.alive.append(tensor)
        self.entries[id(tensor)] = entry

    def number(self, tensor: Tensor) -> int:
        """The prologue's slot of a tensor."""
        if id(tensor) not in self.numbers:
            self.numbers[id(tensor)] = len(self.numbers)
            self.alive.append(tensor)
        return self.numbers[id(tensor)]

    def outside(self, tensor: Tensor, learnt: bool) -> Entry:
        """A tensor from outside the step, or one that the prologue makes."""
        self.sources.append(self.number(tensor))
        self.shapes.append(tuple(tensor.shape))
        self.learnt.append(learnt)
        leaf = self.graph.leaf("param", tensor.shape, len(self.sources) - 1)
        entry = Entry(Base("param", leaf, tensor), ())
        self.add(tensor, entry)
        return entry

    def entry(self, tensor: Tensor) -> Entry:
        if id(tensor) not in self.entries:  # of a module, or of whatever the step's code holds
            self.given[self.number(tensor)] = tensor
            learnt = tensor.requires_grad or id(tensor) in self.parameters
            self.wants |= {id(tensor)} if learnt else set()
            return self.outside(tensor, learnt)
        return self.entries[id(tensor)]

    def symbol(self, tensor: Tensor) -> View:
        entry = self.entry(tensor)
        if entry.base.kind == "const":
            assert entry.base.real is not None
            return self._constant(tensor)
        return entry.view()

    def _constant(self, tensor: Tensor) -> View:
        value = tensor.detach().clone()
        if value.numel() and bool((value == value.flatten()[0]).all()):
            return self.graph.const(float(value.flatten()[0])).expand(value.shape)
        for index, slot in enumerate(self.sources):
            known = self.given[slot] if slot in self.constants else None
            if known is not None and known.dtype == value.dtype and torch.equal(known, value):
                return self.graph.leaf("param", value.shape, index)
        self.given[self.number(value)] = value
        self.constants.add(self.number(value))
        return self.outside(value, False).view()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.split("::")[-1]
        tensors = [a for a in leaves((args, kwargs)) if isinstance(a, Tensor)]
        entries = [self.entry(t) for t in tensors]
        kinds = {e.base.kind for e in entries}
        if name in _VALUES and kinds - {"const"}:
            raise UntraceableError(f"{name} takes a value out of the step (control flow on values?), at {_line()}")
        if func._schema.is_mutable:
            return self._in_place(func, name, args, kwargs, entries)
        result = func(*args, **kwargs)
        outs = [r for r in leaves(result) if isinstance(r, Tensor)]
        if "step" not in kinds and "given" not in kinds:
            self._beside(func, name, args, kwargs, entries, outs)
        elif name in VIEWS and not (name == "detach" and torch.is_grad_enabled()):
            self._views(name, args, kwargs, entries[0], outs)
        else:
            self._compute(name, args, kwargs, outs)
        return result

    def _views(self, name: str, args: Any, kwargs: Any, entry: Entry, outs: list[Tensor]) -> None:
        for k, out in enumerate(outs):
            self.add(out, Entry(entry.base, (*entry.chain, _rule(name, args[1:], kwargs, k))))

    def _beside(self, func: Any, name: str, args: Any, kwargs: Any, entries: list[Entry], outs: list[Tensor]) -> None:
        """An operator on parameters and constants alone."""
        view = name in VIEWS
        if any(e.base.kind == "param" for e in entries):
            given = [a for a in leaves((args, kwargs)) if isinstance(a, Tensor)]
            learnt = torch.is_grad_enabled() and any(id(t) in self.wants for t in given)
            self.wants |= {id(t) for t in outs} if learnt else set()
            slots, named = _replaced((args, kwargs), lambda t: Slot(self._slot(t)))
            self.calls.append(Call(func, slots, named, tuple(self.number(t) for t in outs)))
            for k, out in enumerate(outs):
                if view:
                    self.add(out, Entry(entries[0].base, (*entries[0].chain, _rule(name, args[1:], kwargs, k))))
                else:
                    self.outside(out, learnt)
            return
        for k, out in enumerate(outs):
            base = entries[0].base if view else Base("const", None, out)
            self.add(out, Entry(base, (*entries[0].chain, _rule(name, args[1:], kwargs, k)) if view else ()))

    def _slot(self, tensor: Tensor) -> int:
        entry = self.entries[id(tensor)]
        if entry.base.kind == "const":
            copy = tensor.detach().clone()
            self.given[self.number(copy)] = copy
            return self.number(copy)
        return self.number(tensor)

    def _compute(self, name: str, args: Any, kwargs: Any, outs: list[Tensor]) -> None:
        views = self._apply(name, args, kwargs)
        found = [v for v in leaves(views) if v is not None]
        if len(found) < len(outs):
            found += [self.graph.const(0.0).expand(o.shape) for o in outs[len(found) :]]
        for view, out in zip(found, outs):
            if tuple(view.shape) != tuple(out.shape):
                raise UntraceableError(f"{name} came out as {view.shape} and not {tuple(out.shape)}, at {_line()}")
            self.add(out, Entry(Base("step", _stopped(view), None), ()))

    def _apply(self, name: str, args: Any, kwargs: Any) -> Any:
        if any(isinstance(a, Tensor) and a.is_complex() for a in leaves((args, kwargs))):
            raise UntraceableError(f"{name} on complex numbers, at {_line()}")
        given, named = _replaced((args, kwargs), self.symbol)
        if name == "detach":
            return self.graph.map("stop", given[0])
        if name in ("_to_copy", "to") and named.get("dtype") is not None:
            dtype = named["dtype"]
            if dtype == torch.bool:
                return self.graph.map("ne", given[0], 0.0)
            return given[0] if dtype.is_floating_point else self.graph.map("trunc", given[0])
        if name.startswith("bitwise_") and any(t.dtype != torch.bool for t in leaves(args) if isinstance(t, Tensor)):
            raise UntraceableError(f"{name} on whole numbers has no rule, at {_line()}")
        rule = RULES.get(name)
        if rule is None:
            raise UntraceableError(f"the operator {name} has no rule, at {_line()}")
        try:
            return rule(*given, **named)
        except NoRuleError as error:
            raise UntraceableError(f"the operator {name} ({error}) has no rule, at {_line()}") from error

    def _in_place(self, func: Any, name: str, args: Any, kwargs: Any, entries: list[Entry]) -> Any:
        if not name.endswith("_") or not isinstance(args[0], Tensor):
            raise UntraceableError(f"the operator {name} into a given tensor has no rule, at {_line()}")
        entry, base = entries[0], entries[0].base
        if base.kind in ("param", "given"):
            raise UntraceableError(f"{name} changes in place what was given to the step, at {_line()}")
        if all(e.base.kind == "const" for e in entries):
            return func(*args, **kwargs)
        value = self._apply(name[:-1], args, kwargs)
        if base.kind == "const":
            assert base.real is not None
            base.value = self._constant(base.real)
            base.kind = "step"
        assert base.value is not None
        whole = base.value
        if entry.chain:
            node = whole.node
            if not whole.is_whole() or node.op == "const":
                real = [n for n in whole.shape if n != 1]
                node = self.graph.make("copy", real, (whole.drop([j for j, n in enumerate(whole.shape) if n == 1]),))
                base.value = whole = node.whole().reshape(whole.shape)
            place = entry.view()
            if place.node is not whole.node:
                raise UntraceableError(f"{name} in place of a view that was copied, at {_line()}")
            base.value = put(whole, place, value)
        else:
            base.value = _stopped(value.expand(whole.shape))
        func(*args, **kwargs)
        return args[0]


def _stopped(view: View) -> View:
    """Under ``no_grad`` a value passes no gradient on."""
    return view if torch.is_grad_enabled() else view.node.graph.map("stop", view)


def _rule(name: str, args: Any, kwargs: Any, k: int) -> Callable[[View], View]:
    def rule(view: View) -> View:
        result = VIEWS[name](view, *args, **kwargs)
        return result[k] if isinstance(result, list) else result

    return rule


def _replaced(value: Any, function: Callable[[Tensor], Any]) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {k: _replaced(v, function) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(v, function) for v in value)
    return value


def _line() -> str:
    """Where the step's own code called an operator."""
    own, libraries = Path(__file__).parent, Path(torch.__file__).parent
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if own not in path.parents and libraries not in path.parents and "<" not in frame.filename:
            return f"{path.name}:{frame.lineno}"
    return "an unknown line"


def _own_gradients(outputs: list[Tensor]) -> str | None:
    """The name of a ``torch.autograd.Function`` that takes part, whose gradient the operators do not show."""
    queue, seen = [o.grad_fn for o in outputs if o.grad_fn is not None], set()
    while queue:
        node: Any = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return type(node).__name__.removesuffix("Backward")
        queue += [function for function, _ in node.next_functions]
    return None


def trace(cell: nn.Module, x: Tensor, state: Any) -> Trace:
    """The graph of one step.

    Args:
        cell: ``forward(x (B, I), state) -> (output, state)``.
        x: ``(1, I)``.
        state: a NamedTuple tree of tensors, each with a batch of 1.

    Raises:
        UntraceableError: the step cannot be generated.
    """
    graph = Graph()
    tracer = _Tracer(graph, {id(p) for p in cell.parameters()})
    given = list(state_tensors(state))
    x = x.detach().clone()
    tracer.add(x, Entry(Base("given", graph.leaf("x", x.shape[1:]).unsqueeze(0), None), ()))
    fresh = [t.detach().clone() for t in given]
    for k, t in enumerate(fresh):
        tracer.add(t, Entry(Base("given", graph.leaf("state", t.shape[1:], k).unsqueeze(0), None), ()))
    with torch.enable_grad(), torch.autocast(x.device.type, enabled=False), _NoHooks(), tracer:
        output, after = cell(x, _rebuilt(state, iter(fresh)))
    results = [output, *state_tensors(after)]
    if len(results) != 1 + len(fresh) or any(r.shape != t.shape for r, t in zip(results[1:], fresh)):
        raise UntraceableError("the state changes its shape from step to step")
    own = _own_gradients(results)
    if own:
        raise UntraceableError(f"{own} is a torch.autograd.Function, whose gradient only the plain cell knows")
    views = [tracer.symbol(t).drop([0]) for t in results]
    return Trace(
        graph,
        views[0],
        views[1:],
        tuple(x.shape[1:]),
        tracer.sources,
        tracer.shapes,
        tracer.learnt,
        tracer.given,
        needed_calls(tracer.calls, tracer.sources),
    )


def _rebuilt(state: Any, tensors: Any) -> Any:
    if isinstance(state, Tensor):
        return next(tensors)
    return type(state)(*(_rebuilt(part, tensors) for part in state))


def listing(graph: Graph, roots: list[View]) -> str:
    """A graph in plain text: equal texts are equal programs."""
    seen: set[Node] = set()
    queue = [v.node for v in roots]
    while queue:
        node = queue.pop()
        if node not in seen:
            seen.add(node)
            queue += [a.node for a in node.args]
    lines = [f"{n.id} {n.op} {n.shape} {n.attr} {[a.key for a in n.args]}" for n in sorted(seen, key=lambda n: n.id)]
    return "\n".join([*lines, repr([v.key for v in roots])])
