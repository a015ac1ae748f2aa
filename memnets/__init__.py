"""Differentiable memory-augmented networks: memory modules that are used like ``torch.nn.LSTM``.

Needs only torch and numpy; each name is imported when it is first used (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "NTM": "ntm",
    "TextReader": "decoders",
    "Captioner": "decoders",
    "LSTM": "baselines",
    "GRU": "baselines",
    "RNN": "baselines",
    "MemoryCell": "cell",
    "Recurrent": "recurrent",
    "Memory": "memory",
    "NTMMemory": "memory",
    "CellState": "state",
    "FeedforwardState": "state",
    "HiddenState": "state",
    "LSTMState": "state",
    "NTMState": "state",
    "map_state": "state",
    "detach_state": "state",
    "index_state": "state",
    "stack_states": "state",
    "Trace": "tracing",
    "trace": "tracing",
    "BackendUnavailableError": "kernels",
}
_MODULES = ("ops", "viz", "controllers", "kernels", "encoders", "decoders")

__all__ = [
    "GRU",
    "LSTM",
    "NTM",
    "RNN",
    "BackendUnavailableError",
    "Captioner",
    "CellState",
    "FeedforwardState",
    "HiddenState",
    "LSTMState",
    "Memory",
    "MemoryCell",
    "NTMMemory",
    "NTMState",
    "Recurrent",
    "TextReader",
    "Trace",
    "detach_state",
    "index_state",
    "map_state",
    "ops",
    "stack_states",
    "trace",
    "viz",
]

if TYPE_CHECKING:
    from . import ops, viz
    from .baselines import GRU, LSTM, RNN
    from .cell import MemoryCell
    from .decoders import Captioner, TextReader
    from .kernels import BackendUnavailableError
    from .memory import Memory, NTMMemory
    from .ntm import NTM
    from .recurrent import Recurrent
    from .state import (
        CellState,
        FeedforwardState,
        HiddenState,
        LSTMState,
        NTMState,
        detach_state,
        index_state,
        map_state,
        stack_states,
    )
    from .tracing import Trace, trace


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
