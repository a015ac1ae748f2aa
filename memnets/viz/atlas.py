"""An atlas: memories against tasks as a heat map, and how each holds on longer sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from memnets.viz import _style
from memnets.viz.seeds import _colors

ACROSS = 4
"""Panels beside each other."""


def heat_map_figure(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, title: str, panels: Sequence[str]
) -> Figure:
    """Draw scores from 0 to 1 as colours with numbers in them.

    Args:
        values: ``(panels, rows, columns)``; below 0 is shown as 0, NaN as not measured.
        rows: names, such as of memories.
        columns: names, such as of tasks.
        title: above the figure.
        panels: above each panel.

    Returns:
        A figure of panels one below the other.

    Raises:
        ValueError: the shape is not that of the names.
    """
    if values.shape != (len(panels), len(rows), len(columns)):
        raise ValueError(
            f"values have shape {values.shape}, but there are {len(panels)} panels, {len(rows)} rows and "
            f"{len(columns)} columns"
        )
    size = (2.2 + 0.72 * len(columns), 1.6 + len(panels) * (0.75 + 0.3 * len(rows)))
    figure = _style.new_figure(*size, title)
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    shown = None
    for axis, table, name in zip(axes, values, panels):
        shown = axis.imshow(np.clip(table, 0, 1), cmap=_style.WEIGHTS, vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            if np.isfinite(value):
                ink = "white" if value < 0.6 else _style.INK
                text = f"{max(value, 0.0):.2f}"
                axis.text(column, row, text, ha="center", va="center", fontsize=_style.TICK - 1, color=ink)
        _style.label(axis, name, x="" if axis is axes[-1] else None)
        axis.set_yticks(range(len(rows)), rows)
        axis.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    if shown is not None:
        _style.color_bar(figure, shown, axes, "score (0: without looking, 1: no mistake)")
    return figure


def score_lengths_figure(panels: Mapping[str, Mapping[str, Sequence[Mapping[int, float]]]], *, title: str) -> Figure:
    """Draw scores over length, a panel a task: thick the median over seeds, between the least and the best a band.

    Args:
        panels: by task, by memory, for each seed the score by multiple of the longest training length.
        title: above the figure.

    Returns:
        The figure.

    Raises:
        ValueError: there is nothing to draw.
    """
    names = list(dict.fromkeys(name for groups in panels.values() for name, seeds in groups.items() if seeds))
    if not names:
        raise ValueError("there is no cell to draw yet")
    colors = dict(zip(names, _colors(len(names))))
    across = min(len(panels), ACROSS)
    down = -(-len(panels) // across)
    figure = _style.new_figure(1.2 + 3.1 * across, 1.0 + 2.6 * down, title)
    axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    for unused in axes[len(panels) :]:
        unused.remove()
    lines = {}
    for axis, (task, groups) in zip(axes, panels.items()):
        for name, seeds in groups.items():
            if not seeds:
                continue
            multiples = sorted(seeds[0])
            table = np.array([[seed[multiple] for multiple in multiples] for seed in seeds])  # (seeds, multiples)
            table = np.clip(table, -0.05, 1)
            (lines[name],) = axis.plot(multiples, np.median(table, axis=0), color=colors[name], linewidth=1.8)
            axis.fill_between(multiples, table.min(0), table.max(0), color=colors[name], alpha=0.12, linewidth=0)
            axis.set_xticks(multiples, [str(multiple) for multiple in multiples])
        axis.set_xscale("log", base=2)
        axis.xaxis.set_minor_locator(NullLocator())
        some = sorted({multiple for seeds in groups.values() for seed in seeds for multiple in seed})
        axis.set_xticks(some, [str(multiple) for multiple in some])
        axis.set_ylim(-0.08, 1.05)
        axis.grid(color=_style.GRID, linewidth=0.6)
        first = axis is axes[0] or list(axes).index(axis) % across == 0
        _style.label(axis, task, "times the trained length", "score" if first else None)
    figure.legend(lines.values(), lines, fontsize=_style.TICK, loc="outside lower center", frameon=False, ncols=6)
    return figure
