"""The Tape-RNN."""

from typing import Unpack

from ..memories import TapeMemory
from ..recurrent.cell import MakeController
from .memory_network import MemoryNetwork, NetworkOptions


class TapeRNN(MemoryNetwork):
    """A controller with tapes, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> model = TapeRNN(3, 64, empty_channel=-1, output_size=2)  # the last of the inputs marks the steps of the answer
    >>> output, state = model(torch.randn(4, 41, 3))  # (4, 41, 2)
    >>> model.resize(1024)  # for longer inputs; evaluation does so by itself

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        slots: N, cells of each tape, a ring; can be changed later with :meth:`resize`.
        width: M, numbers of a cell.
        tapes: how many.
        empty_channel: number of the input that is 1 at steps without input; -1 is the last, None counts all steps. A
            jump goes as far as there were steps of input so far.
        controller: "rnn" (the paper's), "lstm", "gru" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.MemoryNetwork`: ``dropout``, ``learned_state``, ``learned_memory``,
            ``bidirectional``, ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.

    Source:
        Deletang et al. 2022: see :class:`memnets.TapeMemory`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        slots: int = 256,
        width: int = 8,
        tapes: int = 1,
        empty_channel: int | None = None,
        controller: MakeController = "rnn",
        num_layers: int = 1,
        **options: Unpack[NetworkOptions],
    ):
        memory = TapeMemory(slots, width, tapes, empty_channel)
        super().__init__(
            input_size, hidden_size, memory=memory, controller=controller, num_layers=num_layers, **options
        )
