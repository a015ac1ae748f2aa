"""The nondeterministic stack RNN."""

from typing import Unpack

from ..memories import NondeterministicStackMemory
from ..recurrent.cell import MakeController
from .memory_network import MemoryNetwork, NetworkOptions


class NondeterministicStackRNN(MemoryNetwork):
    """A controller with a nondeterministic stack, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> model = NondeterministicStackRNN(3, 20, output_size=2)
    >>> output, state = model(torch.randn(4, 21, 3))  # (4, 21, 2)

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        states: of the automaton.
        symbols: on its stack, the bottom's among them.
        normalized: weights of actions sum to 1; see :class:`memnets.NondeterministicStackMemory`.
        read_states: read the automaton's state too.
        controller: "lstm" (the papers'), "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.MemoryNetwork`: ``dropout``, ``learned_state``, ``learned_memory``,
            ``bidirectional``, ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.

    Source:
        DuSell & Chiang 2022: see :class:`memnets.NondeterministicStackMemory`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        states: int = 2,
        symbols: int = 3,
        normalized: bool = False,
        read_states: bool = True,
        controller: MakeController = "lstm",
        num_layers: int = 1,
        **options: Unpack[NetworkOptions],
    ):
        memory = NondeterministicStackMemory(states, symbols, normalized, read_states)
        super().__init__(
            input_size, hidden_size, memory=memory, controller=controller, num_layers=num_layers, **options
        )
