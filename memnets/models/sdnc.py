"""A network with a sparse differentiable neural computer's memory."""

from typing import Unpack

from ..memories import SDNCMemory
from ..recurrent.cell import MakeController
from .memory_network import MemoryNetwork, NetworkOptions


class SDNC(MemoryNetwork):
    """Sparse differentiable neural computer, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> sdnc = SDNC(input_size=9, hidden_size=100, output_size=8, slots=4096)
    >>> output, state = sdnc(torch.randn(4, 41, 9))  # (4, 41, 8)

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        slots: N, vectors in memory; can be changed later with :meth:`resize`.
        width: M, the size of each.
        heads: H, each of which reads and writes, with links of its own.
        nonzero: K, slots that a head reads at a step in each of three ways: backward, by content, forward.
        links: kept for each slot in each direction.
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.MemoryNetwork`: ``dropout``, ``learned_state``, ``bidirectional``,
            ``output_size``, ``vocabulary``, ``batch_first``, ``backend``, ``truncated_bptt_steps``,
            ``checkpoint_every``, ``check_finite``. With ``backend="auto"`` the memory is changed in place.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.

    Source:
        Rae et al. 2016, appendix D: see :class:`memnets.SDNCMemory`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        slots: int = 1024,
        width: int = 32,
        heads: int = 4,
        nonzero: int = 4,
        links: int = 8,
        controller: MakeController = "lstm",
        num_layers: int = 1,
        **options: Unpack[NetworkOptions],
    ):
        memory = SDNCMemory(slots, width, heads, nonzero, links)
        super().__init__(
            input_size, hidden_size, memory=memory, controller=controller, num_layers=num_layers, **options
        )
