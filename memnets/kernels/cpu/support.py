"""What the fused CPU kernel can run, and why not where it cannot."""

import functools
from typing import Any

import torch

from ..configuration import parameters_of, unknown
from . import build
from .library import load


@functools.cache
def unavailable(dtype: torch.dtype) -> str | None:
    """Why the kernel cannot be compiled or loaded here, or None. Compiles it, at the first call."""
    try:
        load(dtype)
    except build.BuildError as error:
        return str(error)
    return None


def unsupported(cell: Any) -> str | None:
    """Why the kernel does not know ``cell``'s configuration, or None. Compiles nothing."""
    reason = unknown(cell)
    if reason:
        return reason
    tensors = parameters_of(cell)
    devices, dtypes = {t.device.type for t in tensors}, {t.dtype for t in tensors}
    if devices != {"cpu"}:
        return f"it runs on the CPU only, and parameters are on {', '.join(sorted(devices))}"
    if len(dtypes) > 1 or dtypes & {torch.float32, torch.float64} != dtypes:
        return f"it computes in float32 or float64, and parameters are {', '.join(sorted(map(str, dtypes)))}"
    return None
