"""Differentiable memory-augmented networks: memory modules that are used like ``torch.nn.LSTM``.

Needs only torch and numpy; each name is imported when it is first used (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "ACT": "models",
    "DNC": "models",
    "MemoryNetwork": "models",
    "Repeat": "models",
    "NTM": "models",
    "DeltaNet": "models",
    "FastWeights": "models",
    "FastWeightsState": "layers",
    "GatedDeltaNet": "models",
    "LanguageModel": "models",
    "LinearAttention": "models",
    "Titans": "models",
    "StackRNN": "models",
    "TapeRNN": "models",
    "Transformer": "models",
    "AttentionState": "layers",
    "DeltaNetState": "layers",
    "NeuralMemoryState": "layers",
    "LinearAttentionState": "layers",
    "TextReader": "models",
    "Captioner": "models",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "RNN": "recurrent",
    "MemoryCell": "recurrent",
    "Recurrent": "recurrent",
    "Trace": "recurrent",
    "trace": "recurrent",
    "Interface": "memories",
    "Memory": "memories",
    "DNCMemory": "memories",
    "DNCState": "memories",
    "DeltaMemory": "memories",
    "DeltaState": "memories",
    "StackMemory": "memories",
    "StackState": "memories",
    "TapeMemory": "memories",
    "TapeState": "memories",
    "Part": "memories",
    "Record": "base.records",
    "SequenceModule": "base.module",
    "clear_padding": "base.module",
    "Model": "base.module",
    "TrainingOutputs": "base.module",
    "NTMMemory": "memories",
    "ACTCell": "recurrent",
    "BidirectionalState": "recurrent",
    "CellState": "recurrent",
    "PonderState": "recurrent",
    "RepeatCell": "recurrent",
    "StackedCell": "recurrent",
    "FeedforwardState": "base.state",
    "HiddenState": "base.state",
    "LSTMState": "base.state",
    "NTMState": "memories",
    "load": "loading",
    "map_state": "base.state",
    "detach_state": "base.state",
    "index_state": "base.state",
    "stack_states": "base.state",
    "BackendUnavailableError": "base.errors",
}
_MODULES = (
    "attention",
    "controllers",
    "decoding",
    "kernels",
    "layers",
    "memories",
    "ops",
    "testing",
    "text",
    "vision",
    "viz",
)

__all__ = [
    "ACT",
    "DNC",
    "GRU",
    "LSTM",
    "NTM",
    "RNN",
    "ACTCell",
    "AttentionState",
    "BackendUnavailableError",
    "BidirectionalState",
    "Captioner",
    "CellState",
    "DNCMemory",
    "DNCState",
    "DeltaMemory",
    "DeltaNet",
    "DeltaNetState",
    "DeltaState",
    "FastWeights",
    "FastWeightsState",
    "FeedforwardState",
    "GatedDeltaNet",
    "HiddenState",
    "Interface",
    "LSTMState",
    "LanguageModel",
    "LinearAttention",
    "LinearAttentionState",
    "Memory",
    "MemoryCell",
    "MemoryNetwork",
    "Model",
    "NTMMemory",
    "NTMState",
    "NeuralMemoryState",
    "Part",
    "PonderState",
    "Record",
    "Recurrent",
    "Repeat",
    "RepeatCell",
    "SequenceModule",
    "StackMemory",
    "StackRNN",
    "StackState",
    "StackedCell",
    "TapeMemory",
    "TapeRNN",
    "TapeState",
    "TextReader",
    "Titans",
    "Trace",
    "TrainingOutputs",
    "Transformer",
    "clear_padding",
    "detach_state",
    "index_state",
    "load",
    "map_state",
    "ops",
    "stack_states",
    "trace",
    "viz",
]

if TYPE_CHECKING:
    from . import ops, viz
    from .base.errors import BackendUnavailableError
    from .base.module import Model, SequenceModule, TrainingOutputs, clear_padding
    from .base.records import Record
    from .base.state import (
        FeedforwardState,
        HiddenState,
        LSTMState,
        detach_state,
        index_state,
        map_state,
        stack_states,
    )
    from .layers import AttentionState, DeltaNetState, FastWeightsState, LinearAttentionState, NeuralMemoryState
    from .loading import load
    from .memories import (
        DeltaMemory,
        DeltaState,
        DNCMemory,
        DNCState,
        Interface,
        Memory,
        NTMMemory,
        NTMState,
        Part,
        StackMemory,
        StackState,
        TapeMemory,
        TapeState,
    )
    from .models import (
        ACT,
        DNC,
        NTM,
        Captioner,
        DeltaNet,
        FastWeights,
        GatedDeltaNet,
        LanguageModel,
        LinearAttention,
        MemoryNetwork,
        Repeat,
        StackRNN,
        TapeRNN,
        TextReader,
        Titans,
        Transformer,
    )
    from .recurrent import (
        GRU,
        LSTM,
        RNN,
        ACTCell,
        BidirectionalState,
        CellState,
        MemoryCell,
        PonderState,
        Recurrent,
        RepeatCell,
        StackedCell,
        Trace,
        trace,
    )


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
