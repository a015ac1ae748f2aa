"""How far back gradients reach: their norm by distance in time, of several runs, before and after training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from memnets.viz import _style

TINY = 1e-12
"""Smaller norms are drawn here."""


def gradients_figure(flows: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> Figure:
    """Draw the norm of the loss's gradient with respect to each kind of state by its distance in time.

    A row of panels for each kind of state, a column for each time of looking ("before training", "after training"), a
    line a run.

    Args:
        flows: by run, by time of looking, by kind of state: a norm for each distance, from 1 on.

    Raises:
        ValueError: there is nothing to draw.
    """
    times = list(dict.fromkeys(time for run in flows.values() for time in run))
    kinds = list(dict.fromkeys(kind for run in flows.values() for of in run.values() for kind in of))
    if not kinds:
        raise ValueError("there is no gradient to draw: give at least one run with a state")
    figure = _style.new_figure(4.8 * len(times) + 0.6, 1.8 * len(kinds) + 0.7, "How far back the gradient reaches")
    panels = figure.subplots(len(kinds), len(times), squeeze=False, sharex=True, sharey="row")
    for row, kind in enumerate(kinds):
        for column, time in enumerate(times):
            axes = panels[row][column]
            for number, (name, run) in enumerate(flows.items()):
                norms = np.asarray(run.get(time, {}).get(kind, ()), dtype=float)
                if norms.size:
                    color = _style.LINES[number % len(_style.LINES)]
                    style = ("-", "--", ":")[number // len(_style.LINES) % 3]
                    axes.plot(
                        np.arange(1, norms.size + 1),
                        np.maximum(norms, TINY),
                        color=color,
                        linestyle=style,
                        linewidth=1.5,
                        label=name,
                    )
            axes.set_yscale("log")
            axes.grid(color=_style.GRID, linewidth=0.6)
            below = "steps before the loss" if row == len(kinds) - 1 else None
            _style.label(axes, f"{kind}, {time}", below, "norm of the gradient" if not column else None)
    lines = {line.get_label(): line for line in reversed([line for axes in panels.flat for line in axes.lines])}
    shown = [lines[name] for name in flows if name in lines]
    figure.legend(
        handles=shown, loc="outside lower center", ncols=min(len(shown), 4), fontsize=_style.TICK, frameon=False
    )
    return figure
