"""The choice of a backend, and the reasons."""

import functools
import logging
import shutil
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import first_parameter
from ..base.errors import BackendUnavailableError
from ..base.transforms import exporting, transformed
from .generate.cells import kernel_of
from .kernel import Refusal

BACKENDS = ("reference", "compiled", "fused")

_compiled: weakref.WeakKeyDictionary[nn.Module, Callable[..., Any]] = weakref.WeakKeyDictionary()
_said: set[str] = set()
_log = logging.getLogger("memnets")


def check_name(backend: str) -> None:
    """Raise ValueError unless ``backend`` is "auto" or one of BACKENDS."""
    if backend not in ("auto", *BACKENDS):
        raise ValueError(f"backend is {backend!r}, but must be one of auto, {', '.join(BACKENDS)}")


@functools.cache
def _compiler_missing() -> str | None:
    """Why ``torch.compile`` cannot run here, or None."""
    if not torch.cuda.is_available() and not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        return "torch.compile needs a C++ compiler on the CPU, and none of c++, g++, clang++ was found"
    return None


def step_function(cell: nn.Module, backend: str) -> Callable[..., Any]:
    """The function of one step, ``(x, state) -> (output, state)``, that ``backend`` uses for ``cell``.

    Raises:
        BackendUnavailableError: the backend was named and cannot run here.
    """
    if backend != "compiled" or torch.compiler.is_compiling():
        return cell
    reason = _compiler_missing()
    if reason:
        raise BackendUnavailableError(f"backend 'compiled' cannot run: {reason}; use backend='auto'")
    if hooked(cell):  # a trace is being recorded
        return cell
    if cell not in _compiled:
        _compiled[cell] = torch.compile(_call(weakref.ref(cell)), dynamic=False)
    return _compiled[cell]


def _call(cell: Any) -> Callable[..., Any]:
    """Calls the cell behind a weak reference, so that the compiled step does not keep it alive.

    The code is a copy for each cell: torch counts graphs by code, and with those of eight cells it stops compiling.
    """

    def step(x: Any, state: Any) -> Any:
        return cell()(x, state)

    step.__code__ = step.__code__.replace(co_name=step.__name__)
    return step


def hooked(cell: nn.Module) -> bool:
    """Whether a module of the cell has hooks, or all modules have, which only the plain cell calls."""
    return bool(nn.modules.module._has_any_global_hook()) or _has_hooks(cell)


def _has_hooks(module: nn.Module) -> bool:
    own = module.__dict__  # past the lookup of a module's attributes, which is slow
    if own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"] or own["_backward_pre_hooks"]:
        return True
    return any(child is not None and _has_hooks(child) for child in own["_modules"].values())


def _only_traced(cell: nn.Module) -> bool:
    """Whether the cell's hooks are those of :class:`memnets.trace` alone."""
    if nn.modules.module._has_any_global_hook():
        return False
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = [hook for module in cell.modules() for name in names for hook in getattr(module, name).values()]
    return all(getattr(hook, "expected", False) for hook in hooks)


def find(cell: Any) -> tuple[str, ...]:
    """The key of the cell's kernel and the names of the tensors that it reads; or "", "cell" or "here", and a reason.

    In plain text, which a graph of ``torch.compile`` can hold.
    """
    found = kernel_of(cell)
    if isinstance(found, Refusal):
        return "", "here" if found.here else "cell", found.reason
    return found.key, *found.names(cell)


def choose(cell: Any, find: Callable[[], tuple[str, ...]], backend: str, inputs: Tensor) -> tuple[str, tuple[str, ...]]:
    """The backend that runs this call: "reference", "compiled" or "fused"; and for the last what ``find`` gave.

    "auto" takes the fused kernel where it can run. What a single call forbids (a hook within the cell) makes it run
    the reference, which is said once, but for a trace, which is meant to.

    Args:
        cell: the cell.
        find: gives what :func:`find` does; called only where a kernel may run.
        backend: as asked for.
        inputs: of the call.

    Raises:
        BackendUnavailableError: "fused" was asked for and there is no kernel, or it meets torch.func.
    """
    check_name(backend)
    if backend in ("reference", "compiled"):
        return backend, ()
    if exporting():
        if backend == "fused":
            raise BackendUnavailableError(
                "backend 'fused' cannot be exported, as its code is this machine's: use backend='auto', which exports "
                "the plain cell"
            )
        return "reference", ()
    passing = _passing_reason(cell, inputs)
    if passing is not None:
        if passing:
            _say(passing)
        return "reference", ()
    if transformed():
        if backend == "auto":
            return "reference", ()
        raise BackendUnavailableError(
            "backend 'fused' cannot run under torch.func or forward-mode differentiation, which do not reach into "
            "it; use backend='reference'"
        )
    found = find()
    if found[0]:
        return "fused", found
    _, where, reason = found
    if backend == "fused":
        raise BackendUnavailableError(f"backend 'fused' cannot run: {reason}; use backend='auto'")
    if where == "here":
        _warn(reason)
    else:
        _say(reason)
    return "reference", ()


def _passing_reason(cell: Any, inputs: Tensor) -> str | None:
    """Why this call, though not the module, needs the reference; "" where the user knows, as a trace is recorded."""
    if hooked(cell):
        return "" if _only_traced(cell) else "a module inside the cell has hooks"
    if torch.compiler.is_compiling():
        return None
    if torch.jit.is_tracing():
        return "torch.jit.trace cannot look into the kernel"
    weight = first_parameter(cell)
    if weight is None:  # quantised, or there are none: there is no kernel, which says so
        return None
    if type(inputs) not in (Tensor, nn.Parameter) or inputs.device != weight.device:
        return f"inputs are a {type(inputs).__name__} on {inputs.device}, parameters on {weight.device}"
    if inputs.dtype != weight.dtype and not torch.is_autocast_enabled(inputs.device.type):
        return f"inputs are {inputs.dtype} and parameters {weight.dtype}"
    return None


def _say(reason: str) -> None:
    """Log, once in a process, that the reference runs in place of the fused kernel."""
    if torch.compiler.is_compiling() or reason in _said:
        return
    _said.add(reason)
    _log.warning("the plain cell (backend 'reference') runs in place of the fused kernel: %s", reason)


def _warn(reason: str) -> None:
    """Warn, once in a process, that the kernel could have run but for this machine."""
    if torch.compiler.is_compiling() or reason in _said:
        return
    _said.add(reason)
    message = f"the fused kernel cannot run, and the slower backend 'reference' is used: {reason}"
    warnings.warn(message, RuntimeWarning, stacklevel=4)


def report(cell: Any, backend: str) -> dict[str, str]:
    """For each backend whether it was chosen, and otherwise why not."""
    check_name(backend)
    missing = _compiler_missing()
    found = kernel_of(cell)
    no_fused = found.reason if isinstance(found, Refusal) else None
    if backend == "auto":
        chosen, why = ("reference", "starts at once, runs anywhere") if no_fused else ("fused", "the fastest here")
    else:
        chosen, why = backend, "asked for by name"
    others = {
        "reference": "available" + (f"; {chosen!r} was asked for" if backend != "auto" else "; slower"),
        "compiled": f"cannot run: {missing}"
        if missing
        else "available by name; not automatic, since its first step costs some 20 s of compilation",
        "fused": f"cannot run: {no_fused}" if no_fused else f"available; {chosen!r} was asked for",
    }
    cannot = others[chosen].startswith("cannot run")
    return {**others, chosen: others[chosen] if cannot else f"chosen: {why}"}
