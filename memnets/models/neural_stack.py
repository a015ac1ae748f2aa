"""A network with neural stacks or queues."""

from typing import Unpack

from ..memories import NeuralStackMemory
from ..recurrent.cell import MakeController
from .memory_network import MemoryNetwork, NetworkOptions


class NeuralStack(MemoryNetwork):
    """A controller with neural stacks or queues, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> model = NeuralStack(3, 64, output_size=2)
    >>> output, state = model(torch.randn(4, 41, 3))  # (4, 41, 2)
    >>> queue = NeuralStack(3, 64, kind="queue")

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        slots: depth of each; can be changed later with :meth:`resize`.
        width: numbers of a vector.
        stacks: how many.
        kind: "stack" or "queue".
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.MemoryNetwork`: ``dropout``, ``learned_state``, ``learned_memory``,
            ``bidirectional``, ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``.

    Raises:
        ValueError: a size below its minimum, an unknown kind, controller or backend.

    Source:
        Grefenstette et al. 2015: see :class:`memnets.NeuralStackMemory`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        slots: int = 128,
        width: int = 8,
        stacks: int = 1,
        kind: str = "stack",
        controller: MakeController = "lstm",
        num_layers: int = 1,
        **options: Unpack[NetworkOptions],
    ):
        memory = NeuralStackMemory(slots, width, stacks, kind)
        super().__init__(
            input_size, hidden_size, memory=memory, controller=controller, num_layers=num_layers, **options
        )
