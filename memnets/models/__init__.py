"""Models: what users name. NTM and the recurrent baselines, readers of text, captioners."""

from ..recurrent.torch_layers import GRU, LSTM, RNN
from .captioner import Caption, Captioner, CaptionerOutput
from .dnc import DNC
from .memory_network import MemoryNetwork
from .ntm import NTM
from .text_reader import ReaderOutput, TextReader

__all__ = [
    "DNC",
    "GRU",
    "LSTM",
    "NTM",
    "RNN",
    "Caption",
    "Captioner",
    "CaptionerOutput",
    "MemoryNetwork",
    "ReaderOutput",
    "TextReader",
]
