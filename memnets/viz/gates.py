"""How the heads address: the controller's gates over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from torch import Tensor

from memnets.viz import _style
from memnets.viz._data import traced


def gates_figure(trace: Mapping[str, Tensor], index: int = 0) -> Figure:
    """Draw what each head's addressing is told over time: Graves et al. 2014, equations 5 to 9.

    Three panels hold a line a head: the interpolation gate g (1: address by content, 0: keep the last
    weighting), the key strength beta, the sharpening gamma. Below, a panel a head shows the shift
    distribution s. Heads are named in the order of the trace, read heads first.

    Args:
        trace: holds interpolation_gate, strength, sharpening (B,T,H), shift (B,T,H,S), read_weights
            (B,T,R,N), which tells read from write heads, and lengths (B,).
        index: which sequence of the batch.

    Returns:
        A figure of 3 + H panels over one time axis.

    Raises:
        KeyError: the trace lacks a record.
        IndexError: the batch has no sequence `index`.
    """
    gate, strength = traced(trace, "interpolation_gate", index), traced(trace, "strength", index)
    sharpening, shift = traced(trace, "sharpening", index), traced(trace, "shift", index)
    heads, readers = gate.shape[1], traced(trace, "read_weights", index).shape[1]
    names = [f"read head {h}" if h < readers else f"write head {h - readers}" for h in range(heads)]

    ratios = [1.2] * 3 + [0.8] * heads
    figure = _style.new_figure(8.5, 1.6 + 0.95 * sum(ratios), f"How the heads address (sequence {index})")
    panels = figure.subplots(3 + heads, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]

    _lines(panels[0], gate, names, readers)
    _lines(panels[1], strength, names, readers)
    _lines(panels[2], sharpening, names, readers)
    panels[0].set_ylim(-0.08, 1.08)
    panels[0].set_yticks([0, 0.5, 1])
    panels[1].set_ylim(bottom=min(0.0, panels[1].get_ylim()[0]))
    _style.label(panels[0], "interpolation gate (1: by content, 0: from the last weighting)", y="gate $g$")
    _style.label(panels[1], "key strength", y=r"strength $\beta$")
    _style.label(panels[2], "sharpening", y=r"sharpening $\gamma$")
    handles = panels[0].get_lines()
    figure.legend(handles=handles, fontsize=_style.TICK, loc="outside lower center", ncols=min(heads, 6), frameon=False)

    images = []
    for head, panel in enumerate(panels[3:]):
        images.append(_style.draw(panel, shift[:, head].T, _style.WEIGHTS, (0.0, 1.0)))
        _name_shifts(panel, shift.shape[-1])
        time = "time (step)" if head == heads - 1 else None
        _style.label(panel, f"shift distribution of {names[head]}", time, "shift (slots)")
    _style.color_bar(figure, images[0], panels[3:], "weight")
    panels[0].set_xlim(-0.5, len(gate) - 0.5)
    return figure


def _lines(axes: Axes, values: np.ndarray, names: list[str], readers: int) -> None:
    """A line a head of values (L,H): read heads solid, write heads dashed so that equal lines both show."""
    marker = "o" if len(values) <= 60 else None  # a single step has no line
    for head, name in enumerate(names):
        axes.plot(
            values[:, head],
            color=_style.LINES[head % len(_style.LINES)],
            linestyle="-" if head < readers else (0, (3, 2)),
            linewidth=2.2 if head < readers else 1.5,
            marker=marker,
            markersize=3.5 if head < readers else 2.5,
            label=name,
        )
    axes.grid(color=_style.GRID, linewidth=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))


def _name_shifts(axes: Axes, shifts: int) -> None:
    """Number the rows of a shift distribution by how far they move: S // 2 is 'stay', 0."""
    middle = shifts // 2
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=min(shifts, 5), min_n_ticks=1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda row, _: f"{round(row) - middle:+d}".replace("+0", "0")))
    axes.set_ylim(-0.5, shifts - 0.5)
