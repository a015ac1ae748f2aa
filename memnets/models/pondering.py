"""Networks that take several passes over each step: adaptive computation time, and a fixed number."""

import copy
from typing import Any, Unpack

from ..controllers import Controller, make_controller
from ..memories import Memory
from ..recurrent.cell import MakeController, MemoryCell
from ..recurrent.halting import ACTCell, RepeatCell
from ..recurrent.unroll import Recurrent, RecurrentOptions


class ACT(Recurrent):
    """Adaptive computation time, used like ``torch.nn.LSTM`` (but with the batch first): it chooses its passes a step.

    The ponder cost is its :meth:`auxiliary_loss`, which training adds. A trace has ``ponder.shares (B, T, P)``, how
    much each pass counted, and ``ponder.passes (B, T)``; of a memory, what each pass did, as ``pass1.reads`` and so on.

    >>> model = ACT(64, 128, controller="rnn", output_size=1)
    >>> output, state = model(torch.randn(4, 1, 64))
    >>> loss = task_loss + model.auxiliary_loss(state)

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        memory: what the controller drives; None for the controller alone.
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        ponder_cost: tau, what a pass costs beside the task's loss.
        epsilon: how far from 1 the halting units' sum may stay.
        max_passes: P, passes of a step at the most; all of them are computed.
        options: those of :class:`memnets.Recurrent`: ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``, ``bidirectional``.

    Raises:
        ValueError: a number out of its range, an unknown controller or backend.
        TypeError: the memory's state has no mean over passes.

    Source:
        Graves 2016, arXiv:1603.08983: see :class:`memnets.recurrent.ACTCell`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        memory: Memory | None = None,
        controller: MakeController = "lstm",
        num_layers: int = 1,
        ponder_cost: float = 1e-2,
        epsilon: float = 0.01,
        max_passes: int = 10,
        **options: Unpack[RecurrentOptions],
    ):
        def make_cell() -> ACTCell:
            cell = _cell(input_size + 1, hidden_size, _own(memory, options), controller, num_layers)
            return ACTCell(cell, ponder_cost=ponder_cost, epsilon=epsilon, max_passes=max_passes)

        super().__init__(make_cell, **options)


class Repeat(Recurrent):
    """A network that sees each input a fixed number of times, used like ``torch.nn.LSTM`` (but with the batch first).

    Of a memory a trace has what each pass did, as ``pass1.reads`` and so on.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each controller layer.
        repeats: passes of a step.
        memory: what the controller drives; None for the controller alone.
        controller: "lstm", "gru", "rnn" or "feedforward", or what makes one for a number of inputs.
        num_layers: layers of the controller.
        options: those of :class:`memnets.Recurrent`: ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``, ``bidirectional``.

    Raises:
        ValueError: a size below 1, an unknown controller or backend.

    Source:
        Fojo, Campos & Giro-i-Nieto 2018, arXiv:1803.08165: see :class:`memnets.recurrent.RepeatCell`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        repeats: int = 2,
        memory: Memory | None = None,
        controller: MakeController = "lstm",
        num_layers: int = 1,
        **options: Unpack[RecurrentOptions],
    ):
        def make_cell() -> RepeatCell:
            return RepeatCell(
                _cell(input_size + 1, hidden_size, _own(memory, options), controller, num_layers), repeats
            )

        super().__init__(make_cell, **options)


def _own(memory: Memory | None, options: RecurrentOptions) -> Memory | None:
    """The memory itself, or a copy for each of two directions."""
    return copy.deepcopy(memory) if options.get("bidirectional") else memory


def _cell(inputs: int, hidden_size: int, memory: Memory | None, controller: Any, num_layers: int) -> Any:
    """A controller with a copy of the memory, or alone."""
    if memory is not None:
        memory = copy.deepcopy(memory)
        return MemoryCell(inputs, memory, controller=controller, hidden_size=hidden_size, num_layers=num_layers)
    if isinstance(controller, str):
        return make_controller(controller, inputs, hidden_size, num_layers)
    made: Controller = controller(inputs)
    return made
