"""A memory-augmented network with least recently used access."""

from typing import Unpack

from ..memories import MANNMemory
from ..recurrent.cell import MakeController
from .memory_network import MemoryNetwork, NetworkOptions


class MANN(MemoryNetwork):
    """Memory-augmented network for few shots, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> mann = MANN(input_size=405, hidden_size=200, output_size=5)
    >>> output, state = mann(torch.randn(16, 50, 405))  # (16, 50, 5)

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        slots: N, vectors in memory; can be changed later with :meth:`resize`.
        width: M, the size of each.
        read_heads: R, each of which writes too.
        decay: gamma of the usage.
        values: write vectors of their own and not the keys.
        strength: sharpen reading by a strength of the controller's.
        shared: every head writes to all of the R least used slots, and not to one of its own.
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.MemoryNetwork`: ``dropout``, ``learned_state``, ``learned_memory``,
            ``bidirectional``, ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.

    Source:
        Santoro et al. 2016: see :class:`memnets.MANNMemory`, which says what the options are for.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        slots: int = 128,
        width: int = 40,
        read_heads: int = 4,
        decay: float = 0.99,
        values: bool = False,
        strength: bool = False,
        shared: bool = False,
        controller: MakeController = "lstm",
        num_layers: int = 1,
        **options: Unpack[NetworkOptions],
    ):
        memory = MANNMemory(slots, width, read_heads, decay, values, strength, shared)
        super().__init__(
            input_size, hidden_size, memory=memory, controller=controller, num_layers=num_layers, **options
        )
