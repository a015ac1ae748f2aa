"""The choice of a backend, and the reasons."""

import functools
import shutil
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

BACKENDS = ("reference", "compiled")

_compiled: weakref.WeakKeyDictionary[nn.Module, Callable[..., Any]] = weakref.WeakKeyDictionary()


class BackendUnavailableError(RuntimeError):
    """A backend was asked for by name and cannot run; the message says why."""


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
    if any(module._forward_hooks for module in cell.modules()):  # a trace is being recorded
        return cell
    if cell not in _compiled:
        _compiled[cell] = torch.compile(_call(weakref.ref(cell)), dynamic=False)
    return _compiled[cell]


def _call(cell: Any) -> Callable[..., Any]:
    """Calls the cell behind a weak reference, so that the compiled step does not keep it alive."""

    def step(x: Any, state: Any) -> Any:
        return cell()(x, state)

    return step


def report(cell: nn.Module, backend: str) -> dict[str, str]:
    """For each backend whether it was chosen, and otherwise why not."""
    check_name(backend)
    missing = _compiler_missing()
    if backend == "compiled":
        return {
            "reference": "available; 'compiled' was asked for",
            "compiled": f"cannot run: {missing}" if missing else "chosen: asked for by name",
        }
    return {
        "reference": "chosen: " + ("asked for by name" if backend == "reference" else "starts at once, runs anywhere"),
        "compiled": f"cannot run: {missing}"
        if missing
        else "available by name; not automatic, since its first step costs some 20 s of compilation",
    }
