"""A program step by step: what was chosen, which rows it selected, and what it computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style
from memnets.viz._batches import to_numpy

MOST_ROWS = 24
CHOSEN = 0.3
"""A column is marked where at least so much of it is chosen."""


def program_figure(
    table: Tensor,
    names: Sequence[str],
    operations: Sequence[str],
    chosen: Tensor,
    columns: Tensor,
    rows: Tensor,
    scalars: Tensor,
    *,
    title: str,
    column_operations: Sequence[str] = ("sum", "greater", "lesser"),
) -> Figure:
    """Draw a program that ran on a table.

    Args:
        table: ``(M, C)``. Rows past the 24th are left out.
        names: of its columns.
        operations: O names.
        chosen: ``(T, O)``, how much of each operation at each step.
        columns: ``(T, C)``, how much of each column.
        rows: ``(T, M)``, the rows that each step selected.
        scalars: ``(T,)``, what each computed.
        title: of the figure, such as the question and its answer.
        column_operations: those that take a column: of the others none is marked.

    Returns:
        A panel of the operations over the steps; and for each step the table as it was after it, selected rows shaded.

    Raises:
        ValueError: sizes do not fit.
    """
    steps = len(chosen)
    sizes = [tuple(part.shape) for part in (table, chosen, columns, rows, scalars)]
    wanted = [(len(rows[0]), len(names)), (steps, len(operations)), (steps, len(names)), (steps, len(table)), (steps,)]
    if sizes != wanted:
        raise ValueError(f"table, chosen, columns, rows and scalars have shapes {sizes}; give {wanted}")
    cells, mixed, across, selected, computed = map(to_numpy, (table, chosen, columns, rows, scalars))
    shown = min(len(cells), MOST_ROWS)
    figure = _style.new_figure(2.6 + 1.75 * steps, max(2.6, 1.5 + 0.19 * shown), title)
    panels = figure.subplots(1, steps + 1, width_ratios=[1.5, *[1.0] * steps])
    image = _style.draw(panels[0], mixed.T, _style.WEIGHTS, (0.0, 1.0))
    panels[0].set_yticks(range(len(operations)), list(operations))
    panels[0].set_xticks(range(steps), [str(t + 1) for t in range(steps)])
    _style.label(panels[0], "operation", "step")
    _style.color_bar(figure, image, [panels[0]], "chosen")
    for t, panel in enumerate(panels[1:]):
        operation = operations[int(mixed[t].argmax())]
        takes = operation in column_operations
        name = names[int(across[t].argmax())] if takes else ""
        gives = f"\n= {computed[t]:g}" if operation in ("sum", "count", "difference") else "\n"
        _style.label(panel, f"{t + 1}: {operation} {name}{gives}")
        shade = np.repeat(selected[t, :shown, None], len(names), axis=1)
        panel.imshow(shade, cmap="Blues", vmin=0, vmax=3.5, aspect="auto", interpolation="nearest")
        for (i, j), value in np.ndenumerate(cells[:shown]):
            marked = takes and across[t, j] >= CHOSEN
            weight, colour = ("bold", _style.INK) if marked else ("normal", _style.FRAME)
            panel.text(j, i, f"{value:g}", ha="center", va="center", fontsize=6.5, color=colour, fontweight=weight)
        panel.set_xticks(range(len(names)), list(names), fontsize=7)
        panel.tick_params(length=0, labelbottom=True, labelsize=7)
        panel.set_yticks([])
    return figure
