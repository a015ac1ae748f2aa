"""The Neural Turing Machine."""

from typing import Unpack

from ..memories import NTMMemory
from ..recurrent.cell import MakeController
from .memory_network import MemoryNetwork, NetworkOptions


class NTM(MemoryNetwork):
    """Neural Turing Machine, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> ntm = NTM(input_size=9, hidden_size=100, output_size=8)
    >>> output, state = ntm(torch.randn(4, 41, 9))  # (4, 41, 8)
    >>> output, state = ntm(torch.randn(4, 10, 9), state)  # the same sequences, continued

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        slots: N, vectors in memory; can be changed later with :meth:`resize`.
        width: M, the size of each.
        read_heads: R.
        write_heads: W.
        shift_range: heads may move by up to this many slots a step (2 * shift_range + 1 shifts).
        strength_bias: added at the start to the bias of every head's strength, before softplus; above 0, heads look
            for content sharply from the beginning.
        gate_bias: the same for the interpolation gate, before the sigmoid; below 0, heads move from where they were
            rather than look for content.
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.MemoryNetwork`: ``dropout``, ``learned_state``, ``learned_memory``,
            ``bidirectional``, ``output_size`` (``[h, reads]``, ``hidden_size + read_heads *
            width`` values, if None), ``vocabulary``, ``batch_first``, ``backend``, ``truncated_bptt_steps``,
            ``checkpoint_every``, ``check_finite``.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.

    Source:
        @article{graves2014neural, title={Neural Turing Machines}, author={Graves, Alex and Wayne, Greg and
        Danihelka, Ivo}, journal={arXiv:1410.5401}, year={2014}}. The starting memory (constant 1e-6) is that of
        Collier & Beel 2018, arXiv:1807.08518.
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
        shift_range: int = 1,
        strength_bias: float = 0.0,
        gate_bias: float = 0.0,
        controller: MakeController = "lstm",
        num_layers: int = 1,
        **options: Unpack[NetworkOptions],
    ):
        memory = NTMMemory(slots, width, read_heads, write_heads, shift_range, strength_bias, gate_bias)
        super().__init__(
            input_size, hidden_size, memory=memory, controller=controller, num_layers=num_layers, **options
        )
