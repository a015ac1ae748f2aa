"""The recurrent part of a decoder, by name."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..base.state import map_state, state_tensors
from ..controllers import CONTROLLERS, make_controller
from ..memories.ntm import NTMMemory
from ..recurrent.cell import CellState, MemoryCell

GATE_BIAS = -2.0
"""Of the heads of an "ntm": they move along rather than look for content, unless they learn to, as copying needs."""

Cell = str | Callable[[int], nn.Module]
"""The name of a cell, or what makes one of one's own for a size of inputs."""


def _with_ntm_memory(input_size: int, hidden_size: int, slots: int, width: int) -> MemoryCell:
    return MemoryCell(input_size, NTMMemory(slots, width, gate_bias=GATE_BIAS), hidden_size=hidden_size)


WITH_MEMORY: dict[str, Callable[[int, int, int, int], MemoryCell]] = {"ntm": _with_ntm_memory}
"""Cells with a memory, made for a size of inputs, units, slots and the width of a slot."""

CELLS = (*CONTROLLERS, *WITH_MEMORY)


def make_cell(kind: Cell, input_size: int, hidden_size: int, *, slots: int = 32, width: int = 16) -> Any:
    """The cell called ``kind``, with an ``output_size``; an "ntm" is an LSTM with a memory of slots x width.

    In place of a name, a function of ``input_size`` gives any cell: a controller, a :class:`memnets.MemoryCell`, or a
    module with ``output_size``, ``initial_state(batch_size, device=, dtype=)`` and ``cell(x, state) -> (h, state)``,
    whose state is a tensor or a NamedTuple of such.

    Raises:
        ValueError: no cell has that name, a size is below 1, or what the function gives is no cell.
    """
    if not isinstance(kind, str):
        return _given_cell(kind, input_size)
    if kind not in CELLS:
        again = "; one of your own is not among the settings that are saved: hand it in again" * (kind == "given")
        own = f"; a class of your own is written {{class_path: {kind}}} in a file" * ("." in kind)
        raise ValueError(f"cell is {kind!r}, but must be one of {', '.join(CELLS)}{again}{own}")
    if kind in WITH_MEMORY:
        return WITH_MEMORY[kind](input_size, hidden_size, slots, width)
    return make_controller(kind, input_size, hidden_size)


def _given_cell(make: Any, input_size: int) -> nn.Module:
    if isinstance(make, nn.Module) or not callable(make):
        raise ValueError(
            f"cell is {type(make).__name__ if isinstance(make, nn.Module) else repr(make)}, but must be one of "
            f"{', '.join(CELLS)}, or a function that makes a cell for a size of inputs, which here is {input_size}"
        )
    cell = make(input_size)
    if not isinstance(cell, nn.Module) or not (hasattr(cell, "output_size") and hasattr(cell, "initial_state")):
        raise ValueError(
            f"cell made a {type(cell).__name__}, but must make a module with output_size and initial_state(batch_size, "
            "device=, dtype=), as memnets.MemoryCell has"
        )
    made: Any = cell
    try:
        list(state_tensors(made.initial_state(1)))
    except TypeError as error:
        raise ValueError(f"cell made a {type(cell).__name__}, whose initial_state does not do: {error}") from error
    return cell


class StateFrom(nn.Module):
    """A cell's first state from a vector: each layer of the controller starts at ``tanh(W x + b)``.

    Args:
        cell: a controller, or a :class:`memnets.MemoryCell` (whose memory starts as ever).
        input_size: of the vector.

    Source:
        Xu et al. 2015, section 3.1.2 (f_init).
    """

    def __init__(self, cell: nn.Module, input_size: int):
        super().__init__()
        state = _controller_state(cell.initial_state(1))  # pyright: ignore[reportCallIssue]
        self.layers = nn.ModuleList(nn.Linear(input_size, part[0].numel()) for part in state_tensors(state))

    def forward(self, x: Tensor, state: Any) -> Any:
        """x (B, I) and the cell's plain first state to the one to start from."""
        layers = iter(self.layers)
        inner = map_state(lambda part: torch.tanh(next(layers)(x)).view_as(part), _controller_state(state))
        return state._replace(controller=inner) if isinstance(state, CellState) else inner


def _controller_state(state: Any) -> Any:
    return state.controller if isinstance(state, CellState) else state


def choose_state(where: Tensor, one: Any, other: Any) -> Any:
    """The state ``one`` of the sequences where ``where`` (B,) is True, ``other``'s elsewhere."""
    if isinstance(one, Tensor):
        return torch.where(where.view(-1, *[1] * (one.dim() - 1)), one, other)
    return type(one)(*(choose_state(where, a, b) for a, b in zip(one, other)))
