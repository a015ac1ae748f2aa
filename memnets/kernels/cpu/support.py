"""What the fused CPU kernel can run, and why not where it cannot."""

import functools
from typing import Any

import torch
from torch import nn

from ...cell import MemoryCell
from ...controllers import FeedforwardController, LSTMController
from ...memory import NTMMemory
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
    if type(cell) is not MemoryCell:
        return f"it knows MemoryCell only, not {type(cell).__name__}"
    if type(cell.memory) is not NTMMemory:
        return f"it knows the memory NTMMemory only, not {type(cell.memory).__name__}"
    if type(cell.controller) not in (LSTMController, FeedforwardController):
        return f"it knows the controllers lstm and feedforward only, not {type(cell.controller).__name__}"
    kind = nn.LSTMCell if type(cell.controller) is LSTMController else nn.Linear
    layers: Any = cell.controller.layers
    interface: Any = nn.Linear
    if any(type(layer).forward is not kind.forward for layer in layers) or (
        type(cell.interface).forward is not interface.forward
    ):
        return "a layer of the cell was replaced by one of another kind"
    tensors = list(cell.parameters())
    devices, dtypes = {t.device.type for t in tensors}, {t.dtype for t in tensors}
    if devices != {"cpu"}:
        return f"it runs on the CPU only, and parameters are on {', '.join(sorted(devices))}"
    if len(dtypes) > 1 or dtypes & {torch.float32, torch.float64} != dtypes:
        return f"it computes in float32 or float64, and parameters are {', '.join(sorted(map(str, dtypes)))}"
    return None


def parameters_of(cell: Any) -> list[torch.Tensor]:
    """Each layer's parameters, then the interface's, in the order of :func:`calls.layer_parameters`."""
    names = (
        ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        if isinstance(cell.controller, LSTMController)
        else ("weight", "bias")
    )
    found = [getattr(layer, name) for layer in cell.controller.layers for name in names]
    return [*found, cell.interface.weight, cell.interface.bias]
