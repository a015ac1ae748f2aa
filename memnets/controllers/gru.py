"""A controller of GRU layers."""

from torch import nn

from .base import HiddenController
from .linear import gru_step


class GRUController(HiddenController):
    """One or more GRU layers (``torch.nn.GRUCell``)."""

    step = staticmethod(gru_step)

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0):
        super().__init__(input_size, hidden_size, num_layers, dropout)
        self.layers = nn.ModuleList(nn.GRUCell(size, hidden_size) for size in self.layer_sizes())
