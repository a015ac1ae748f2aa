"""Many runs side by side: learning and length curves of every seed, one colour for those that differ by it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from memnets.viz import _style
from memnets.viz.curves import _length_axis, _log_with_zero, _shade

Curve = tuple[Sequence[float], Sequence[float]]
"""Training sequences, and errors at them."""

_Median = tuple[np.ndarray, np.ndarray, str, str]
"""Places, medians, colour and name."""


class LengthsPanel(NamedTuple):
    """What one panel of :func:`lengths_seeds_figure` shows.

    Attributes:
        title: above it.
        groups: for each group of runs, by name, a mapping from length to error of every run.
        error: the unit of the errors.
        length_unit: what a length counts.
        trained_on: the shortest and longest training length, drawn as a band.
    """

    title: str
    groups: Mapping[str, Sequence[Mapping[int, float]]]
    error: str
    length_unit: str = "length"
    trained_on: tuple[int, int] | None = None


def learning_seeds_figure(
    groups: Mapping[str, Sequence[Curve]], *, error: str, threshold: float | None = None, title: str = "Learning"
) -> Figure:
    """Draw validation errors over the sequences seen in training: thin, each seed; thick, their median.

    A seed that has stopped keeps its last error in the median.

    Args:
        groups: the curves of each group's seeds, by the group's name.
        error: the unit of the errors, on the axis.
        threshold: the error below which a run counts as solved, drawn as a line.
        title: above the figure.

    Returns:
        A figure of one panel.

    Raises:
        ValueError: there is no curve, or one has not as many errors as sequence counts.
    """
    if not any(len(x) for curves in groups.values() for x, _ in curves):
        raise ValueError("there is no validation to draw yet")
    figure = _style.new_figure(8.5, 4.2, _style.without_math(title))
    axes = figure.subplots()
    everything, medians = [], []
    for (name, curves), color in zip(groups.items(), _colors(len(groups))):
        arrays = [(np.asarray(x, dtype=float), np.asarray(y, dtype=float)) for x, y in curves if len(x)]
        for x, y in arrays:
            if x.shape != y.shape:
                raise ValueError(f"a curve of {name} has {len(x)} sequence counts but {len(y)} errors")
            axes.plot(x, y, color=color, linewidth=0.8, alpha=0.45, zorder=2)
            everything.append(y)
        if arrays:
            medians.append((*_median(arrays), color, _label(name, len(arrays))))
    _draw_medians(axes, medians)
    if threshold is not None:
        axes.axhline(threshold, color=_style.FRAME, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    _log_with_zero(axes, everything)
    axes.grid(color=_style.GRID, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    solved = "" if threshold is None else f"; solved below the dashed line, {threshold:g}"
    _style.label(
        axes,
        f"each seed thin, their median thick{solved}",
        "training sequences",
        f"validation {_style.without_math(error)}",
    )
    figure.legend(fontsize=_style.TICK, loc="outside lower center", frameon=False, ncols=2)
    return figure


def lengths_seeds_figure(panels: Sequence[LengthsPanel], title: str = "Length generalisation") -> Figure:
    """Draw errors over sequence length: thin, each seed; thick, their median.

    Args:
        panels: what to show, one beside the other.
        title: above the figure.

    Returns:
        The figure.

    Raises:
        ValueError: there is no panel, or one without a run.
    """
    if not panels or not all(any(panel.groups.values()) for panel in panels):
        raise ValueError("there is no table of lengths to draw yet")
    names = list(dict.fromkeys(name for panel in panels for name in panel.groups))
    colors = dict(zip(names, _colors(len(names))))
    figure = _style.new_figure(2.0 + 5.6 * len(panels), 4.4, _style.without_math(title))
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
        _draw_lengths(axes, panel, colors)
        below = {
            "loc": "upper left",
            "bbox_to_anchor": (0.0, -0.14),
            "ncols": 2,
        }  # no corner is free of curves for sure
        axes.legend(fontsize=_style.TICK, frameon=False, **below)
    return figure


def _draw_lengths(axes: Axes, panel: LengthsPanel, colors: Mapping[str, str]) -> None:
    _shade(axes, panel.trained_on)
    everything, medians = [], []
    lengths = sorted({n for tables in panel.groups.values() for table in tables for n in table})
    for name, tables in panel.groups.items():
        rows = np.array([[table.get(n, np.nan) for n in lengths] for table in tables])  # (runs, lengths)
        for row in rows:
            axes.plot(lengths, row, color=colors[name], linewidth=0.8, alpha=0.5, marker="o", markersize=2.5, zorder=2)
        if len(rows):
            measured = ~np.isnan(rows).all(axis=0)
            middle = np.nanmedian(rows[:, measured], axis=0)
            medians.append((np.array(lengths)[measured], middle, colors[name], _label(name, len(rows))))
        everything.append(rows.ravel())
    _draw_medians(axes, medians)
    _log_with_zero(axes, everything)
    _length_axis(axes, lengths)
    axes.grid(color=_style.GRID, linewidth=0.6)
    what = f"{_style.without_math(panel.title)}: each seed thin, their median thick"
    _style.label(axes, what, f"sequence length ({panel.length_unit})", _style.without_math(panel.error))


def _draw_medians(axes: Axes, medians: Sequence[_Median]) -> None:
    """Thick lines; those that coincide with later ones are the wider, so that every colour shows."""
    wider = min(2.6, 9 / max(len(medians), 1))  # points
    for number, (x, y, color, name) in enumerate(medians):
        above = sum(_meet(x, y, later_x, later_y) for later_x, later_y, _, _ in medians[number + 1 :])
        axes.plot(x, y, color=color, linewidth=2.2 + wider * above, zorder=3, label=name, solid_capstyle="butt")


def _meet(x: np.ndarray, y: np.ndarray, other_x: np.ndarray, other_y: np.ndarray) -> bool:
    """Whether two curves have a stretch in common: two neighbouring places of both, or their only one."""
    places, own, others = np.intersect1d(x, other_x, return_indices=True)
    equal = np.isclose(y[own], other_y[others], rtol=0.02, atol=1e-12)
    return bool((equal[1:] & equal[:-1]).any() if len(places) > 1 else equal.any())


def _median(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The median over curves wherever all have begun, each held at its last value up to its next."""
    places = np.unique(np.concatenate([x for x, _ in curves]))
    places = places[places >= max(x[0] for x, _ in curves)]
    held = [y[np.searchsorted(x, places, side="right") - 1] for x, y in curves]
    return places, np.median(held, axis=0)


def _label(name: str, seeds: int) -> str:
    name = _style.without_math(name)
    return f"{name} ({seeds} seed{'s' if seeds > 1 else ''})"


def _colors(count: int) -> list[str]:
    if count <= len(_style.LINES):
        return list(_style.LINES[:count])
    return [to_hex(color) for color in matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, count))]
