"""The Stack-RNN."""

from typing import Unpack

from ..memories import StackMemory
from ..recurrent.cell import MakeController
from .memory_network import MemoryNetwork, NetworkOptions


class StackRNN(MemoryNetwork):
    """A controller with stacks, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> model = StackRNN(3, 64, output_size=2)
    >>> output, state = model(torch.randn(4, 41, 3))  # (4, 41, 2)
    >>> model.resize(1024)  # for longer inputs; evaluation does so by itself

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        slots: depth of each stack; can be changed later with :meth:`resize`.
        width: numbers of a vector.
        stacks: how many.
        joint: one distribution over the actions of all stacks together; see :class:`memnets.StackMemory`.
        controller: "rnn" (the paper's), "lstm", "gru" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.MemoryNetwork`: ``dropout``, ``learned_state``, ``learned_memory``,
            ``bidirectional``, ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.

    Source:
        Joulin & Mikolov 2015: see :class:`memnets.StackMemory`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        slots: int = 128,
        width: int = 8,
        stacks: int = 1,
        joint: bool = False,
        controller: MakeController = "rnn",
        num_layers: int = 1,
        **options: Unpack[NetworkOptions],
    ):
        memory = StackMemory(slots, width, stacks, joint)
        super().__init__(
            input_size, hidden_size, memory=memory, controller=controller, num_layers=num_layers, **options
        )
