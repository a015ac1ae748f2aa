"""The Differentiable Neural Computer."""

from typing import Unpack

from ..memories import DNCMemory
from ..recurrent.cell import MakeController
from .memory_network import MemoryNetwork, NetworkOptions


class DNC(MemoryNetwork):
    """Differentiable Neural Computer, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> dnc = DNC(input_size=9, hidden_size=100, output_size=8)
    >>> output, state = dnc(torch.randn(4, 41, 9))  # (4, 41, 8)

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        slots: N, vectors in memory; can be changed later with :meth:`resize`.
        width: M, the size of each.
        read_heads: R.
        write_heads: W; the paper has one.
        masked: content is compared under a mask that each key brings along.
        deallocation: what is freed is erased, and not only marked as free.
        sharpened: weightings along links are sharpened by an exponent of the controller's.
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.MemoryNetwork`: ``dropout``, ``learned_state``, ``learned_memory``,
            ``bidirectional``, ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.

    Source:
        Graves et al. 2016; ``masked``, ``deallocation`` and ``sharpened`` Csordas & Schmidhuber 2019: see
        :class:`memnets.DNCMemory`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        slots: int = 128,
        width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        masked: bool = False,
        deallocation: bool = False,
        sharpened: bool = False,
        controller: MakeController = "lstm",
        num_layers: int = 1,
        **options: Unpack[NetworkOptions],
    ):
        memory = DNCMemory(slots, width, read_heads, write_heads, masked, deallocation, sharpened)
        super().__init__(
            input_size, hidden_size, memory=memory, controller=controller, num_layers=num_layers, **options
        )
