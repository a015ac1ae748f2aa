"""Any memory with any controller over time, under one name that a YAML file can give."""

from typing import Unpack

from ..memories import Memory
from ..recurrent.cell import MakeController, MemoryCell
from ..recurrent.unroll import Recurrent, RecurrentOptions


class MemoryNetwork(Recurrent):
    """A controller with any :class:`memnets.Memory`, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> model = MemoryNetwork(5, 64, memory=DNCMemory(slots=32, width=16), output_size=3)
    >>> output, state = model(torch.randn(2, 7, 5))  # (2, 7, 3)

    In a file: ``model: {class_path: memnets.MemoryNetwork, init_args: {hidden_size: 64, memory: {class_path:
    my_module.Queue, init_args: {slots: 8}}}}``.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        memory: what the controller drives; one of your own is handed in again at ``from_pretrained``.
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.Recurrent`: ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend.
        TypeError: ``memory`` is none.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        memory: Memory,
        controller: MakeController = "lstm",
        num_layers: int = 1,
        **options: Unpack[RecurrentOptions],
    ):
        cell = MemoryCell(input_size, memory, controller=controller, hidden_size=hidden_size, num_layers=num_layers)
        super().__init__(cell, **options)
