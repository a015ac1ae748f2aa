"""The kernel of a cell: traced, generated, compiled, tried once against the plain cell, and remembered.

A cell that was changed by hand since is traced anew: what is remembered holds for the types and plain values of its
modules and the shapes of its tensors.
"""

import copy
import hashlib
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from ...base.state import detach_state, map_state, state_tensors
from ..kernel import Refusal, named
from .cache import BuildError
from .engine import CPU, Engine
from .kernel import GeneratedKernel
from .start import constant_start
from .trace import Trace, UntraceableError, listing, trace

_known: weakref.WeakKeyDictionary[nn.Module, list[tuple[Any, GeneratedKernel | Refusal]]] = weakref.WeakKeyDictionary()
KEPT = 256
"""Kernels of a cell that are remembered, the last used first: a memory may be resized to and fro at every step."""

_lock = threading.RLock()
_making = threading.local()  # whether this thread makes a kernel, of a cell that may hold others

_OWN = frozenset(nn.Module().__dict__) - {"training"}


def kernel_of(cell: nn.Module) -> GeneratedKernel | Refusal:
    """The kernel of a cell, made at the first call, or why there is none."""
    if getattr(_making, "now", False):
        return Refusal("it is part of a cell that is being generated")
    with _lock:
        mark = _mark(cell)
        known = _known.setdefault(cell, [])
        if known and known[0][0] == mark:
            return known[0][1]
        place = next((n for n, (own, _) in enumerate(known) if own == mark), None)
        latest = (mark, _make(cell)) if place is None else known.pop(place)
        known.insert(0, latest)
        del known[KEPT:]
        return latest[1]


def _make(cell: nn.Module) -> GeneratedKernel | Refusal:
    """In a thread of its own, which knows nothing of the caller's modes, autocast, or function transforms."""
    try:
        device, dtype = _place(cell)
        stream = torch.cuda.current_stream(device) if device.type == "cuda" else None
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_build, cell, device, dtype, stream).result()
    except Refusal as refusal:
        return refusal


def _build(cell: Any, device: torch.device, dtype: torch.dtype, stream: Any) -> GeneratedKernel:
    _making.now = True  # of a thread that ends with this
    engine = engine_of(device)
    number = engine.numbers.get(dtype)
    if number is None:
        known = str(dtype).removeprefix("torch."), " or ".join(str(d).removeprefix("torch.") for d in engine.numbers)
        raise Refusal(f"parameters are {known[0]}, and on {device.type} it computes in {known[1]}")
    # A user's seeded run must not notice.
    with torch.cuda.stream(stream), torch.random.fork_rng(devices=[device] if stream else []):
        return _made(cell, engine, device, dtype, number)


def _made(cell: Any, engine: Engine, device: torch.device, dtype: torch.dtype, number: torch.dtype) -> GeneratedKernel:
    plain = cell
    if device.type != "cpu" or dtype != number:  # elsewhere operators are other ones, some for many at once
        plain = copy.deepcopy(cell).to("cpu", number)
    found = _trace(plain, number)
    if any(0 in node.shape for node in found.graph.nodes):
        raise Refusal("a step has an array without numbers")
    names = _names(plain, found)
    found = found._replace(given={slot: tensor.to(device) for slot, tensor in found.given.items()})
    listed = listing(found.graph, [found.output, *found.state])
    name = hashlib.sha256(f"{number} {found.shapes} {found.learnt} {found.input_shape} {listed}".encode()).hexdigest()

    def check(program: Any) -> None:
        _try(cell, GeneratedKernel(found, names, program, dtype, name), engine.tolerance[number])

    try:
        program = engine.program(name, found, number, check)
        key = engine.prefix + name
        return GeneratedKernel(found, names, program, dtype, key, constant_start(cell))
    except BuildError as error:
        raise Refusal(str(error), here=True) from error


def engine_of(device: torch.device) -> Engine:
    """What compiles and runs programs there.

    Raises:
        Refusal: nothing does.
    """
    if device.type == "cpu":
        return CPU
    if device.type == "cuda":
        from ..cuda.engine import engine_on

        return engine_on(device)
    raise Refusal(f"it runs on the CPU and on CUDA, and parameters are on {device.type}")


def _place(cell: nn.Module) -> tuple[torch.device, torch.dtype]:
    tensors = list(cell.parameters())
    if not tensors:
        raise Refusal("the cell has no parameters")
    devices, dtypes = {t.device for t in tensors}, {t.dtype for t in tensors}
    if len(devices) > 1:
        raise Refusal(f"parameters are on several devices: {', '.join(sorted(map(str, devices)))}")
    if len(dtypes) > 1:
        raise Refusal(f"parameters are of several dtypes: {', '.join(sorted(map(str, dtypes)))}")
    return devices.pop(), dtypes.pop()


def _width(cell: Any) -> int:
    """Numbers that a step takes: inputs, and behind them what masks of dropout the cell is handed in training."""
    return cell.input_size + getattr(cell, "masks_size", 0)


def _trace(cell: Any, dtype: torch.dtype) -> Trace:
    state = detach_state(cell.initial_state(1))  # it may be learned
    if any(t.dtype != dtype or t.device.type != "cpu" for t in state_tensors(state)):
        raise Refusal(f"a tensor of the state is not {dtype} on the device of the parameters, as they are")
    if getattr(cell, "growing", False):
        raise Refusal("the state grows from step to step")
    try:
        return trace(cell, torch.linspace(-1, 1, _width(cell), dtype=dtype).unsqueeze(0), state)
    except UntraceableError as error:
        raise Refusal(str(error)) from error
    except Exception as error:
        line = (str(error).splitlines() or [""])[0]
        raise Refusal(f"a step of the cell fails with {type(error).__name__}: {line}") from error


def _names(cell: nn.Module, found: Trace) -> dict[int, str]:
    """The cell's own tensors among those that the trace was given."""
    own = {id(t): name for name, t in [*cell.named_parameters(), *cell.named_buffers()]}
    names = {slot: own[id(t)] for slot, t in found.given.items() if id(t) in own}
    for slot, tensor in found.given.items():
        if slot not in names and tensor.requires_grad:
            raise Refusal("the step uses a tensor with a gradient that is no parameter of the cell")
    return names


def _try(cell: Any, kernel: GeneratedKernel, tolerance: float) -> None:
    """Raise Refusal where the kernel does not give what the plain cell gives over a few steps of two samples.

    Samples that see each other, which a trace of one sample cannot show, come to light here.
    """
    device, dtype = _place(cell)
    if dtype != kernel.compiled.dtype:  # its own rounding is coarser than what is looked for
        dtype = kernel.compiled.dtype
        cell = copy.deepcopy(cell).to(dtype)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, generator=generator).to(device)

    names, own = kernel.names(cell), dict(cell.named_parameters())
    drawn = {name: (0.3 * draw(*own[name].shape)).requires_grad_() for name in names if name in own}
    inputs = draw(3, 2, _width(cell)).requires_grad_()

    # Not the initial state itself: an unstable sort may order its equal numbers in any way. Not far from it: weightings
    # that sum to more than 1 lead to numbers that no step gives, such as the logarithm of a negative usage.
    def moved(t: Tensor) -> Tensor:
        away = 0.1 * torch.rand(t.shape, dtype=dtype, generator=generator) / max(t[0].numel(), 1)
        return t.detach() + away.to(device)

    start = map_state(moved, cell.initial_state(2))
    state, outputs = start, []
    with torch.random.fork_rng(devices=[]):
        for x in inputs:
            out, state = torch.func.functional_call(cell, drawn, (x, state))
            outputs.append(out)
    want = [torch.stack(outputs), *state_tensors(state)]
    weights = [draw(*t.shape) for t in want]
    parameters = [drawn[name] if name in drawn else named(cell, name) for name in names]
    wanted = list(drawn.values())
    given = [t.detach() for t in state_tensors(start)]
    needs = [True, *(False for _ in given), *(name in drawn for name in names)]
    with torch.no_grad():
        run = kernel.forward(inputs.detach(), given, parameters, None, True)
        back = kernel.backward(inputs.detach(), given, parameters, None, run.kept, weights[0], weights[1:], needs)
    loss = torch.stack([(a * w).sum() for a, w in zip(want, weights)]).sum()
    grads = torch.autograd.grad(loss, [inputs, *wanted], allow_unused=True) if loss.requires_grad else []
    got_grads = [back.inputs, *(g for g, name in zip(back.parameters, names) if name in drawn)]
    for a, b in [*zip([run.outputs, *run.last], want), *zip(got_grads, grads)]:
        _compare(a, b, tolerance)


def _compare(got: Tensor | None, want: Tensor | None, tolerance: float) -> None:
    if got is None or want is None:
        other = want if got is None else got
        apart = 0.0 if other is None else float(other.detach().abs().max())
    else:
        got, want = got.detach(), want.detach()
        close = torch.isclose(got, want, rtol=tolerance, atol=tolerance * (1 + _largest(want)), equal_nan=True)
        apart = 0.0 if bool(close.all()) else _largest(got - want)
    if not apart < tolerance:
        raise Refusal(
            f"generated code comes out {apart:.1e} apart from the plain cell: does a sample depend on others of its "
            "batch?"
        )


def _largest(t: Tensor) -> float:
    finite = t[torch.isfinite(t)]
    return float(finite.abs().max()) if finite.numel() else float("inf") if t.numel() else 0.0


def _mark(cell: nn.Module) -> list[Any]:
    """Changes where a module of the cell is changed by hand: types, plain values, shapes of tensors."""
    found: list[Any] = [getattr(cell, "masks_size", 0)]
    _add_marks(cell, found)
    return found


def _add_marks(module: nn.Module, found: list[Any]) -> None:
    """Those of a module and its children; one that stands in several places has them in each."""
    found.append(type(module).forward)
    own = module.__dict__
    found += [v if type(v) in _PLAIN else _value(v) for name, v in own.items() if name not in _OWN]
    for tensor in own["_parameters"].values():
        found.append(None if tensor is None else (tensor.shape, tensor.dtype, tensor.device))
    for tensor in own["_buffers"].values():
        found.append(None if tensor is None else (tensor.shape, tensor.dtype, tensor.requires_grad))
    for child in own["_modules"].values():
        if child is not None:
            _add_marks(child, found)


_PLAIN = frozenset((int, bool, str, float, type(None)))


class _Same:
    """An object compared by identity, and kept alive so that no other can take its place."""

    __slots__ = ("value",)

    def __init__(self, value: object):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def _value(value: object) -> object:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (tuple, list)) and len(value) < 32:
        return [_value(v) for v in value]
    if isinstance(value, dict) and len(value) < 32:
        return [(k, _value(v)) for k, v in value.items()]
    return _Same(value)
