"""A controller of tanh RNN layers."""

from torch import nn

from .base import HiddenController
from .linear import rnn_step


class RNNController(HiddenController):
    """One or more tanh RNN layers (``torch.nn.RNNCell``)."""

    step = staticmethod(rnn_step)

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0):
        super().__init__(input_size, hidden_size, num_layers, dropout)
        self.layers = nn.ModuleList(nn.RNNCell(size, hidden_size) for size in self.layer_sizes())
