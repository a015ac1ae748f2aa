"""A controller of LSTM layers."""

import torch
from torch import Tensor, nn

from ..base.state import LSTMState
from ..base.transforms import transformed
from .base import Controller
from .linear import lstm_step


class LSTMController(Controller):
    """One or more LSTM layers (``torch.nn.LSTMCell``)."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0):
        super().__init__(input_size, hidden_size, num_layers, dropout)
        self.layers = nn.ModuleList(nn.LSTMCell(size, hidden_size) for size in self.layer_sizes())

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> LSTMState:
        """Zeros."""
        return LSTMState(self.zeros(batch_size, device, dtype), self.zeros(batch_size, device, dtype))

    def cells(self) -> list[nn.LSTMCell]:
        """The layers."""
        return list(self.layers)  # pyright: ignore[reportReturnType]

    def forward(self, x: Tensor, state: LSTMState, masks: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        """One step: x (B, I) to h (B, H), the last layer's hidden state; ``masks (B, (L - 1) H)`` of dropout."""
        hidden, cell, plain = [], [], transformed()
        parts = zip(self.cells(), state.hidden.unbind(1), state.cell.unbind(1), self.split_masks(x, masks))
        for layer, h, c, mask in parts:
            x = x if mask is None else x * mask
            plainly = plain and isinstance(layer, nn.LSTMCell)  # a wrapped layer knows itself what it adds
            x, c = lstm_step(layer, x, h, c) if plainly else layer(x, (h, c))
            hidden.append(x)
            cell.append(c)
        return x, LSTMState(torch.stack(hidden, 1), torch.stack(cell, 1))  # (B, L, H) each
