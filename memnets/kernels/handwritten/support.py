"""What the fused CUDA kernel can run, and why not where it cannot. Imports Triton when asked, not before."""

import functools
import os
import shutil
from typing import Any

import torch

from ...base.extras import remedy
from .configuration import unknown
from .sizes import power_of_two

LIMIT = 8192
"""Numbers of one sample, padded to powers of two, that stay in registers: slots x width, and heads x slots."""

HIDDEN_LIMIT = 512
"""Units of a controller's layer: each sample's program reads all weights at each step, which pays for small layers."""

INTERFACE_LIMIT = 4096
"""Numbers that the controller emits a step."""

OLDEST = (3, 4)
"""Of Triton."""


def interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on tensors of the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def version() -> str | None:
    """Triton's, or None where it is not installed."""
    try:
        import triton
    except ImportError:
        return None
    return triton.__version__


@functools.cache
def unavailable() -> str | None:
    """Why no kernel can be compiled or run here, or None. Compiles and tries one, at the first call on a GPU."""
    found = version()
    if found is None:
        return remedy("triton")
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
        return f"Triton {found} is older than {'.'.join(map(str, OLDEST))}: pip install --upgrade triton"
    if interpreted():
        return None
    if torch.version.hip is not None or not torch.cuda.is_available():
        return "torch sees no CUDA device"
    if not (os.environ.get("CC") or any(shutil.which(name) for name in ("cc", "gcc", "clang"))):
        return "Triton needs a C compiler, and none of cc, gcc, clang was found"
    from .trial import failure

    return failure(torch.device("cuda", torch.cuda.current_device()))


def unsupported(cell: Any) -> str | None:
    """Why the kernel does not know ``cell``'s configuration, or None. Compiles nothing."""
    reason = unknown(cell)
    if reason:
        return reason
    tensors = list(cell.parameters())
    devices, dtypes = {t.device.type for t in tensors}, {t.dtype for t in tensors}
    if devices != {"cuda"} and not (interpreted() and devices == {"cpu"}):
        return f"it runs on CUDA only, and parameters are on {', '.join(sorted(devices))}"
    if len(dtypes) > 1 or dtypes & {torch.float32, torch.bfloat16} != dtypes:
        return f"on CUDA it computes in float32 or bfloat16, and parameters are {', '.join(sorted(map(str, dtypes)))}"
    return _too_large(cell)


def _too_large(cell: Any) -> str | None:
    memory, hidden = cell.memory, cell.controller.hidden_size
    count = memory.read_heads + memory.write_heads
    slots, width, heads = (power_of_two(size) for size in (memory.slots, memory.width, count))
    if slots * width > LIMIT:
        return (
            f"on CUDA it keeps each sample's memory in registers, at most {LIMIT} numbers, and {memory.slots} slots "
            f"of width {memory.width} take {slots} x {width} (powers of two)"
        )
    if heads * slots > LIMIT:
        return (
            f"on CUDA it keeps each sample's weightings in registers, at most {LIMIT} numbers, and {count} "
            f"heads over {memory.slots} slots take {heads} x {slots} (powers of two)"
        )
    if hidden > HIDDEN_LIMIT:
        return f"on CUDA it knows at most {HIDDEN_LIMIT} hidden units, and the controller has {hidden}"
    if memory.interface.size > INTERFACE_LIMIT:
        return f"on CUDA it knows interfaces of at most {INTERFACE_LIMIT} numbers, and this has {memory.interface.size}"
    return None
