"""What compiles and runs programs on a CUDA device (see :class:`memnets.kernels.generate.engine.Engine`)."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..generate import cache
from ..generate.cache import BuildError, Built, Layout
from ..generate.engine import with_shapes
from ..generate.trace import Trace
from ..kernel import Refusal
from . import device, nvrtc, source
from .launch import Loaded

HERE = Path(__file__).parent


class CUDA:
    """The engine of one device."""

    prefix = "cuda-"
    numbers = {torch.float32: torch.float32, torch.bfloat16: torch.float32, torch.float64: torch.float64}
    tolerance = {torch.float32: 2e-2, torch.float64: 1e-6}
    """With room for TF32, where the plain cell is told to use it."""

    def __init__(self, index: int):
        self.index = index

    def program(self, name: str, trace: Trace, dtype: torch.dtype, check: Callable[[Any], None]) -> Loaded:
        """See :meth:`memnets.kernels.generate.engine.Engine.program`."""
        kind, shared = device.architecture(self.index), device.shared_bytes(self.index)
        key = hashlib.sha256(f"{_sources()} {nvrtc.version()} {kind} {shared} {name}".encode()).hexdigest()[:24]

        def write(target: Path) -> Layout:
            made = source.build(trace, double=dtype == torch.float64, shared=shared)
            target.write_bytes(nvrtc.compile_to_cubin(made.source, kind))
            return made.layout

        built = cache.fetch(f"{key}.cubin", write, lambda built: check(self._loaded(built, dtype)))
        return self._loaded(built, dtype)

    def _loaded(self, built: Built, dtype: torch.dtype) -> Loaded:
        layout = with_shapes(built.layout)
        sizes = {f"memnets_{name}": layout[name]["shared"] * dtype.itemsize for name in source.POINTERS}
        sizes |= {f"memnets_pack_{name}": 0 for name in source.POINTERS}
        module = device.Module(built.path.read_bytes(), self.index, sizes)
        return Loaded(module, layout, dtype, torch.device("cuda", self.index))


@functools.cache
def _sources() -> str:
    """Changes with the generator."""
    digest = hashlib.sha256()
    folders = HERE, HERE.parent / "generate"
    for file in sorted(path for folder in folders for kind in ("*.py", "*.h") for path in folder.rglob(kind)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def missing() -> str | None:
    """What a machine lacks to run kernels on CUDA, with the remedy, or None."""
    if torch.version.hip is not None or not torch.cuda.is_available():
        return "torch sees no CUDA device"
    try:
        nvrtc.library()
        device.driver()
    except BuildError as error:
        return str(error)
    return None


def engine_on(place: torch.device) -> CUDA:
    """The engine of a device.

    Raises:
        Refusal: the machine lacks something.
    """
    if reason := missing():
        raise Refusal(reason, here=True)
    return CUDA(torch.cuda.current_device() if place.index is None else place.index)
