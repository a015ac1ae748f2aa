"""Controllers: the network that drives a memory, ``(x, state) -> (h, state)`` for one step."""

import torch
from torch import Tensor, nn

from .checks import check_whole
from .state import FeedforwardState, HiddenState, LSTMState


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

    def layer_sizes(self) -> list[int]:
        """The input size of each layer."""
        return [self.input_size] + [self.hidden_size] * (self.num_layers - 1)

    def zeros(self, batch_size: int, device: torch.device | None, dtype: torch.dtype | None) -> Tensor:
        """Zeros of shape (B, L, H)."""
        return torch.zeros(batch_size, self.num_layers, self.hidden_size, device=device, dtype=dtype)


class LSTMController(Controller):
    """One or more LSTM layers (``torch.nn.LSTMCell``)."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1):
        super().__init__(input_size, hidden_size, num_layers)
        self.layers = nn.ModuleList(nn.LSTMCell(size, hidden_size) for size in self.layer_sizes())

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> LSTMState:
        """Zeros."""
        return LSTMState(self.zeros(batch_size, device, dtype), self.zeros(batch_size, device, dtype))

    def forward(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """One step: x (B, I) to h (B, H), the last layer's hidden state."""
        hidden, cell = [], []
        for layer, h, c in zip(self.layers, state.hidden.unbind(1), state.cell.unbind(1)):
            x, c = layer(x, (h, c))
            hidden.append(x)
            cell.append(c)
        return x, LSTMState(torch.stack(hidden, 1), torch.stack(cell, 1))  # (B, L, H) each


class _HiddenController(Controller):
    """Layers whose state is one hidden vector each."""

    layers: nn.ModuleList

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> HiddenState:
        """Zeros."""
        return HiddenState(self.zeros(batch_size, device, dtype))

    def forward(self, x: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        """One step: x (B, I) to h (B, H), the last layer's hidden state."""
        hidden = []
        for layer, h in zip(self.layers, state.hidden.unbind(1)):
            x = layer(x, h)
            hidden.append(x)
        return x, HiddenState(torch.stack(hidden, 1))  # (B, L, H)


class GRUController(_HiddenController):
    """One or more GRU layers (``torch.nn.GRUCell``)."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1):
        super().__init__(input_size, hidden_size, num_layers)
        self.layers = nn.ModuleList(nn.GRUCell(size, hidden_size) for size in self.layer_sizes())


class RNNController(_HiddenController):
    """One or more tanh RNN layers (``torch.nn.RNNCell``)."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1):
        super().__init__(input_size, hidden_size, num_layers)
        self.layers = nn.ModuleList(nn.RNNCell(size, hidden_size) for size in self.layer_sizes())


class FeedforwardController(Controller):
    """One or more layers of ``tanh(W x + b)``: all memory of the past is in the external memory."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1):
        super().__init__(input_size, hidden_size, num_layers)
        self.layers = nn.ModuleList(nn.Linear(size, hidden_size) for size in self.layer_sizes())

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> FeedforwardState:
        """Nothing."""
        return FeedforwardState()

    def forward(self, x: Tensor, state: FeedforwardState) -> tuple[Tensor, FeedforwardState]:
        """One step: x (B, I) to h (B, H)."""
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x, state


CONTROLLERS: dict[str, type[LSTMController | GRUController | RNNController | FeedforwardController]] = {
    "lstm": LSTMController,
    "gru": GRUController,
    "rnn": RNNController,
    "feedforward": FeedforwardController,
}


def make_controller(kind: str, input_size: int, hidden_size: int, num_layers: int = 1):
    """The controller called ``kind``: lstm, gru, rnn or feedforward.

    Raises:
        ValueError: no controller has that name.
    """
    if kind not in CONTROLLERS:
        raise ValueError(f"controller is {kind!r}, but must be one of {', '.join(CONTROLLERS)}")
    return CONTROLLERS[kind](input_size, hidden_size, num_layers)
