"""A controller without a state of its own."""

import torch
from torch import Tensor, nn

from ..base.state import FeedforwardState
from .base import Controller


class FeedforwardController(Controller):
    """One or more layers of ``tanh(W x + b)``: all memory of the past is in the external memory."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0):
        super().__init__(input_size, hidden_size, num_layers, dropout)
        self.layers = nn.ModuleList(nn.Linear(size, hidden_size) for size in self.layer_sizes())

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> FeedforwardState:
        """Nothing."""
        return FeedforwardState()

    def forward(
        self, x: Tensor, state: FeedforwardState, masks: Tensor | None = None
    ) -> tuple[Tensor, FeedforwardState]:
        """One step: x (B, I) to h (B, H); ``masks (B, (L - 1) H)`` of dropout."""
        for layer, mask in zip(self.layers, self.split_masks(x, masks)):
            x = torch.tanh(layer(x if mask is None else x * mask))
        return x, state
