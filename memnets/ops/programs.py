"""Operations on tables that a neural programmer mixes (Neelakantan et al. 2015, table 1 and section 2.3).

M rows, C columns, K numbers of the question. Each step takes how much of each operation and of each column is chosen.
Lookups, which answer with cells of the table, and text matches are left out: answers are numbers.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..base.state_types import known_state

PROGRAM_OPERATIONS = ("sum", "count", "difference", "greater", "lesser", "and", "or", "reset")

SCALARS = 3
"""How many steps back "difference" looks."""


@known_state
class ProgramState(NamedTuple):
    """What steps hand on.

    Attributes:
        rows: ``(B, 2, M)``, from 0 to 1: the rows that the last step selected, and those of the step before it.
        scalars: ``(B, 3)``, what the last three steps computed, the last first.
    """

    rows: Tensor
    scalars: Tensor


def start_program(inside: Tensor) -> ProgramState:
    """The state before the first step: all rows ``inside (B, M)``, 1 or 0, are selected, and nothing is computed."""
    return ProgramState(torch.stack([inside, inside], dim=1), inside.new_zeros(len(inside), SCALARS))


def compare_cells(table: Tensor, numbers: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
    """How much each cell is greater, and how much it is lesser, than the number chosen: both ``(B, M, C)``, 0 to 1.

    The paper compares with the mean of the numbers, weighted by the choice, its pivot; a comparison hands no gradient
    on to that. Here the mean is that of the comparisons, which is the same once one number is chosen.

    Args:
        table: ``(B, M, C)``.
        numbers: ``(B, K)``.
        choice: ``(B, 2, K)``, each summing to 1 (or 0, where there is none): for greater and for lesser.
    """
    cells = table.unsqueeze(-1)  # (B, M, C, 1)
    pivots = numbers[:, None, None, :]  # (B, 1, 1, K)
    greater = (cells > pivots).to(choice.dtype) * choice[:, 0, None, None, :]
    lesser = (cells < pivots).to(choice.dtype) * choice[:, 1, None, None, :]
    return greater.sum(-1), lesser.sum(-1)


def program_step(
    operation: Tensor,
    column: Tensor,
    table: Tensor,
    compared: tuple[Tensor, Tensor],
    inside: Tensor,
    state: ProgramState,
) -> ProgramState:
    """One step of a program.

    Args:
        operation: ``(B, 8)``, how much of each of :data:`PROGRAM_OPERATIONS`.
        column: ``(B, C)``, how much of each column.
        table: ``(B, M, C)``, zero at rows that are padding.
        compared: of :func:`compare_cells`.
        inside: ``(B, M)``, 1 at the rows that there are, 0 at padding.
        state: after the step before.
    """
    chosen = dict(zip(PROGRAM_OPERATIONS, operation.unbind(1)))  # each (B,)
    last, before = state.rows.unbind(1)  # (B, M)
    sums = torch.einsum("bm,bmc,bc->b", last, table, column)
    difference = state.scalars[:, 2] - state.scalars[:, 0]
    scalar = chosen["sum"] * sums + chosen["count"] * last.sum(1) + chosen["difference"] * difference
    greater, lesser = (torch.einsum("bmc,bc->bm", cells, column) for cells in compared)
    rows = (
        chosen["greater"].unsqueeze(1) * greater
        + chosen["lesser"].unsqueeze(1) * lesser
        + chosen["and"].unsqueeze(1) * torch.minimum(last, before)
        + chosen["or"].unsqueeze(1) * torch.maximum(last, before)
        + chosen["reset"].unsqueeze(1)
    ) * inside
    scalars = torch.cat([scalar.unsqueeze(1), state.scalars[:, :-1]], dim=1)
    return ProgramState(torch.stack([rows, last], dim=1), scalars)
