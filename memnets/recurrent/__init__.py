"""A cell over time: the step, the unrolling (lengths, carried state, truncated BPTT), and traces of it."""

from .cell import CellState, MemoryCell
from .directions import BidirectionalState
from .halting import ACTCell, PonderState, RepeatCell
from .stacked import StackedCell
from .torch_layers import GRU, LSTM, RNN
from .trace import Trace, trace
from .unroll import Recurrent

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ACTCell",
    "BidirectionalState",
    "CellState",
    "MemoryCell",
    "PonderState",
    "Recurrent",
    "RepeatCell",
    "StackedCell",
    "Trace",
    "trace",
]
