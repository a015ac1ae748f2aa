"""What every controller is: the network that drives a memory, ``(x, state) -> (h, state)`` for one step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import check_whole
from ..base.state import HiddenState
from ..base.transforms import transformed


class Controller(nn.Module):
    """A network of one step: ``forward(x (B, I), state) -> (h (B, H), state)`` and ``initial_state``."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int):
        super().__init__()
        for name, value in (
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
            ("input_size", input_size),
        ):
            check_whole(name, value)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers

    @property
    def output_size(self) -> int:
        """Features of h, as every cell has them."""
        return self.hidden_size

    def layer_sizes(self) -> list[int]:
        """The input size of each layer."""
        return [self.input_size] + [self.hidden_size] * (self.num_layers - 1)

    def zeros(self, batch_size: int, device: torch.device | None, dtype: torch.dtype | None) -> Tensor:
        """Zeros of shape (B, L, H)."""
        return torch.zeros(batch_size, self.num_layers, self.hidden_size, device=device, dtype=dtype)


class HiddenController(Controller):
    """Layers whose state is one hidden vector each."""

    layers: nn.ModuleList
    step: Callable[[Any, Tensor, Tensor], Tensor]
    """The same as a layer's ``forward``, as linear operations."""

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> HiddenState:
        """Zeros."""
        return HiddenState(self.zeros(batch_size, device, dtype))

    def forward(self, x: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        """One step: x (B, I) to h (B, H), the last layer's hidden state."""
        hidden, plain = [], transformed()
        for layer, h in zip(self.layers, state.hidden.unbind(1)):
            x = self.step(layer, x, h) if plain else layer(x, h)
            hidden.append(x)
        return x, HiddenState(torch.stack(hidden, 1))  # (B, L, H)
