"""Any memory with any controller over time, under one name that a YAML file can give."""

import copy
from typing import Unpack

from ..base.checks import check_whole
from ..memories import Memory
from ..recurrent.cell import MakeController, MemoryCell
from ..recurrent.stacked import StackedCell
from ..recurrent.unroll import Recurrent, RecurrentOptions


class NetworkOptions(RecurrentOptions, total=False):
    """The arguments of :class:`MemoryNetwork` beside its sizes, memory and controller, for models that pass them on."""

    dropout: float
    learned_state: bool
    learned_memory: bool
    memory_layers: int


class MemoryNetwork(Recurrent):
    """A controller with any :class:`memnets.Memory`, used like ``torch.nn.LSTM`` (but with the batch first).

    >>> model = MemoryNetwork(5, 64, memory=DNCMemory(slots=32, width=16), output_size=3)
    >>> output, state = model(torch.randn(2, 7, 5))  # (2, 7, 3)

    In a file: ``model: {class_path: memnets.MemoryNetwork, init_args: {hidden_size: 64, memory: {class_path:
    my_module.Queue, init_args: {slots: 8}}}}``.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        memory: what the controller drives; one of your own is handed in again at ``from_pretrained``. With
            ``bidirectional`` the second direction has a copy of its own.
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        dropout: share of what each layer of the controller, but the last, gives the next that is left out in training.
        learned_state: the controller's state before the first step is learned, in place of zeros.
        learned_memory: so is what the memory holds then.
        memory_layers: cells one above the other, each a controller with a memory of its own (copies of ``memory``).
        options: those of :class:`memnets.Recurrent`: ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``, ``bidirectional``.

    Raises:
        ValueError: a size below its minimum, an unknown controller or backend, or nothing to be learned.
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
        dropout: float = 0.0,
        learned_state: bool = False,
        learned_memory: bool = False,
        memory_layers: int = 1,
        **options: Unpack[RecurrentOptions],
    ):
        check_whole("memory_layers", memory_layers)
        several = memory_layers > 1 or options.get("bidirectional", False)

        def make_layer(inputs: int) -> MemoryCell:
            return MemoryCell(
                inputs,
                copy.deepcopy(memory) if several else memory,
                controller=controller,
                hidden_size=hidden_size,
                num_layers=num_layers,
                dropout=dropout,
                learned_state=learned_state,
                learned_memory=learned_memory,
            )

        def make_cell() -> MemoryCell | StackedCell:
            cells = [make_layer(input_size)]
            while len(cells) < memory_layers:
                cells.append(make_layer(cells[-1].output_size))
            return StackedCell(cells) if memory_layers > 1 else cells[0]

        super().__init__(make_cell, **options)
