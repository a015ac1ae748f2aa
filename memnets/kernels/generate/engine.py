"""What compiles and runs programs on a kind of device; and the one of the CPU."""

from collections.abc import Callable
from typing import Any, Protocol

import torch

from . import build, library, source
from .cache import BuildError, Built
from .library import Compiled
from .trace import Trace


class Engine(Protocol):
    """What compiles and runs programs.

    Attributes:
        prefix: of the keys of its kernels.
        numbers: for each dtype of parameters, that in which the program computes.
        tolerance: of a trial against the plain cell, by the program's dtype.
    """

    prefix: str
    numbers: dict[torch.dtype, torch.dtype]
    tolerance: dict[torch.dtype, float]

    def program(self, name: str, trace: Trace, dtype: torch.dtype, check: Callable[[Any], None]) -> Any:
        """The program of a step, from the cache or made now; ``check`` raises where one just made is wrong.

        Raises:
            BuildError: it cannot be made here.
        """
        ...


class _CPU:
    prefix = ""
    numbers = {torch.float32: torch.float32, torch.float64: torch.float64}
    tolerance = {torch.float32: 1e-3, torch.float64: 1e-6}

    def program(self, name: str, trace: Trace, dtype: torch.dtype, check: Callable[[Any], None]) -> Compiled:
        def make() -> tuple[str, dict[str, Any]]:
            width = build.vector_bytes(tuple(build.compiler()))
            made = source.build(trace, double=dtype == torch.float64, vector_bytes=width)
            return made.source, made.layout

        return _loaded(build.fetch(name, make, lambda built: check(_loaded(built, dtype))), dtype)


CPU: Engine = _CPU()


def _loaded(built: Built, dtype: torch.dtype) -> Compiled:
    try:
        return library.load(str(built.path), with_shapes(built.layout), dtype)
    except OSError as error:
        raise BuildError(f"the compiled kernel cannot be loaded: {error}") from error


def with_shapes(layout: dict[str, Any]) -> dict[str, Any]:
    """A layout read from a file, its shapes such as tensors have."""
    return {**layout, **{name: [tuple(s) for s in layout[name]] for name in ("state_shapes", "parameter_shapes")}}
