"""Controllers: the network that drives a memory, ``(x, state) -> (h, state)`` for one step."""

from .base import Controller, HiddenController
from .feedforward import FeedforwardController
from .gru import GRUController
from .lstm import LSTMController
from .rnn import RNNController

__all__ = [
    "CONTROLLERS",
    "Controller",
    "FeedforwardController",
    "GRUController",
    "HiddenController",
    "LSTMController",
    "RNNController",
    "make_controller",
]

CONTROLLERS: dict[str, type[LSTMController | GRUController | RNNController | FeedforwardController]] = {
    "lstm": LSTMController,
    "gru": GRUController,
    "rnn": RNNController,
    "feedforward": FeedforwardController,
}


def make_controller(kind: str, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0):
    """The controller called ``kind``: lstm, gru, rnn or feedforward.

    Raises:
        ValueError: no controller has that name.
    """
    if kind not in CONTROLLERS:
        raise ValueError(f"controller is {kind!r}, but must be one of {', '.join(CONTROLLERS)}")
    return CONTROLLERS[kind](input_size, hidden_size, num_layers, dropout)
