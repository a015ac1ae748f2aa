"""What every controller is: the network that drives a memory, ``(x, state) -> (h, state)`` for one step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import check_whole
from ..base.modes import check_dropout
from ..base.state import HiddenState
from ..base.transforms import transformed


class Controller(nn.Module):
    """A network of one step: ``forward(x (B, I), state) -> (h (B, H), state)`` and ``initial_state``.

    With ``dropout``, in training, what a layer gives the next is multiplied by a mask that is drawn anew each step, as
    in ``torch.nn.LSTM``. Whoever runs many steps draws the masks of all of them first and hands them in, so that every
    backend computes with the same.

    Args:
        input_size: I.
        hidden_size: H, units of each layer.
        num_layers: L.
        dropout: share of each layer's output, but the last's, that the next does not see in training.

    Raises:
        ValueError: a size below 1, or ``dropout`` outside 0..1.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, dropout: float = 0.0):
        super().__init__()
        for name, value in (
            ("hidden_size", hidden_size),
            ("num_layers", num_layers),
            ("input_size", input_size),
        ):
            check_whole(name, value)
        self.input_size = input_size
        self.hidden_size = hidden_size
        check_dropout(dropout, num_layers)
        self.num_layers = num_layers
        self.dropout = dropout

    @property
    def masks_size(self) -> int:
        """Numbers of a step's dropout masks, (L - 1) H; 0 where nothing is dropped, as in evaluation."""
        return (self.num_layers - 1) * self.hidden_size if self.dropout and self.training else 0

    def draw_masks(self, *shape: int, like: Tensor) -> Tensor:
        """Dropout masks ``(*shape, masks_size)`` from torch's random numbers: 0, or what keeps the mean as it was."""
        kept = like.new_full((*shape, self.masks_size), 1 - self.dropout)
        return torch.bernoulli(kept) / kept.clamp_min(1e-9)

    def split_masks(self, x: Tensor, masks: Tensor | None) -> list[Tensor | None]:
        """For each layer what its input is multiplied by: ``(B, H)``, or None where nothing is dropped."""
        if not self.masks_size:
            return [None] * self.num_layers
        if masks is None:
            masks = self.draw_masks(len(x), like=x)
        return [None, *masks.split(self.hidden_size, dim=-1)]

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

    def forward(self, x: Tensor, state: HiddenState, masks: Tensor | None = None) -> tuple[Tensor, HiddenState]:
        """One step: x (B, I) to h (B, H), the last layer's hidden state; ``masks (B, (L - 1) H)`` of dropout."""
        hidden, plain = [], transformed()
        for layer, h, mask in zip(self.layers, state.hidden.unbind(1), self.split_masks(x, masks)):
            x = x if mask is None else x * mask
            plainly = plain and isinstance(layer, nn.RNNCellBase)  # a wrapped layer knows itself what it adds
            x = self.step(layer, x, h) if plainly else layer(x, h)
            hidden.append(x)
        return x, HiddenState(torch.stack(hidden, 1))  # (B, L, H)
