"""Cells one above the other, each with a state of its own."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..base.state import join_layers, layer_of, named_tensors


class StackedCell(nn.Module):
    """Cells of one kind, each of which but the first sees what the one below puts out, as the layers of ``nn.LSTM``.

    The state is that of a cell, with L, the cells, as the second dimension of each tensor.

    >>> lower = MemoryCell(5, NTMMemory(16, 8), hidden_size=32)
    >>> upper = MemoryCell(lower.output_size, NTMMemory(16, 8), hidden_size=32)
    >>> model = Recurrent(StackedCell([lower, upper]), output_size=3)

    Args:
        cells: from the inputs' side to the outputs'.

    Raises:
        ValueError: there is no cell, one does not take what the one below puts out, or their states differ in shape.
    """

    def __init__(self, cells: Sequence[nn.Module]):
        super().__init__()
        found: list[Any] = list(cells)
        if not found:
            raise ValueError("cells is empty, but needs at least one")
        for number, (below, above) in enumerate(itertools.pairwise(found), 1):
            if above.input_size != below.output_size:
                raise ValueError(
                    f"cell {number} has input_size={above.input_size}, but the one below puts out {below.output_size}"
                )
            if _shapes(above) != _shapes(below):
                raise ValueError(
                    f"the state of cell {number} has shapes {_shapes(above)} where the one below has {_shapes(below)}: "
                    "give cells of one kind and size"
                )
        self.cells = nn.ModuleList(found)
        self.input_size: int = found[0].input_size
        self.output_size: int = found[-1].output_size

    @property
    def growing(self) -> bool:
        """Whether a state changes shape from step to step."""
        return any(getattr(cell, "growing", False) for cell in self.cells)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """Those of all cells, on the parameters' device and in their dtype unless told."""
        cells: list[Any] = list(self.cells)
        own = next(self.parameters())
        options: dict[str, Any] = {"device": device or own.device, "dtype": dtype or own.dtype}
        return join_layers([cell.initial_state(batch_size, **options) for cell in cells])

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: ``x (B, I)`` to the output of the last cell."""
        after = []
        for number, cell in enumerate(self.cells):
            x, own = cell(x, layer_of(state, number))
            after.append(own)
        return x, join_layers(after)

    def auxiliary_loss(self, state: Any) -> Tensor | None:
        """The sum of the cells' own, where they have any."""
        losses = []
        for number, cell in enumerate(self.cells):
            own = getattr(cell, "auxiliary_loss", None)
            loss = None if own is None else own(layer_of(state, number))
            losses += [] if loss is None else [loss]
        return torch.stack(losses).sum() if losses else None


def _shapes(cell: Any) -> list[tuple[int, ...]]:
    state = cell.initial_state(1, device=torch.device("meta"))
    return [tuple(tensor.shape[1:]) for _, tensor in named_tensors(state)]
