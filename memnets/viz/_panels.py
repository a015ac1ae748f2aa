"""Records as panels over time, and panels as a figure: one or two columns that share the time axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from memnets.viz import _style
from memnets.viz._records import TracedRecord

MOST_HEADS = 8
"""Heads of one record that are drawn; that there are more is said."""


class Panel(NamedTuple):
    """One panel over time: an image, or lines.

    Attributes:
        title: above it.
        y: what its vertical axis shows, with the unit.
        values: an image ``(L, rows)``, or lines ``(L, heads)``.
        height: in inches.
        cmap: the colours of an image; None for lines.
        limits: the values at the ends of the colours, or of the vertical axis; None for those of the lines.
        unit: of the colours.
        rows: the numbers of the rows, where they are slots.
        names: of the lines.
        hidden: steps that are hatched, ``(L,)``, or None.
    """

    title: str
    y: str
    values: np.ndarray
    height: float
    cmap: Colormap | None = None
    limits: tuple[float, float] | None = None
    unit: str = "value"
    rows: np.ndarray | None = None
    names: Sequence[str] = ()
    hidden: np.ndarray | None = None


Row = tuple[list[Panel], list[Panel]]
"""What stands side by side: panels from top to bottom, left and right; all left where right is empty."""


def side_by_side(columns: Sequence[list[Panel]], *, any_heads: bool = False) -> Iterator[Row]:
    """Two records a row; one that is left over has its heads side by side.

    Args:
        columns: the panels of each record, one a head.
        any_heads: whether two records go together that differ in the number of heads.
    """
    left_over = list(columns)
    while left_over:
        left = left_over.pop(0)
        fit = (at for at, other in enumerate(left_over) if any_heads or len(other) == len(left))
        at = next(fit, None)
        if at is not None:
            yield left, left_over.pop(at)
        elif len(left) > 1:
            yield left[::2], left[1::2]
        else:
            yield left, []


def draw_rows(title: str, rows: Sequence[Row], mask: np.ndarray | None = None) -> Figure:
    """Draw panels over one time axis.

    Args:
        title: above the figure.
        rows: what stands side by side, from the top.
        mask: which steps are scored ``(L,)``: a line stands between those that are and those that are not.
    """
    heights, width = [], 2 if any(right for _, right in rows) else 1
    for left, right in rows:
        heights += [max(p.height for p in line) for line in _lines(left, right)]
    figure = _style.new_figure(9.5 if width == 2 else 8.5, 0.9 + sum(heights), title)
    grid = GridSpec(len(heights), width, figure=figure, height_ratios=heights)
    first: Axes | None = None
    drawn: list[tuple[Panel, Axes]] = []
    top = 0
    lowest: dict[int, Axes] = {}
    for left, right in rows:
        images: list[tuple[Panel, Axes, AxesImage]] = []
        for column, panels in enumerate((left, right)):
            for down, panel in enumerate(panels):
                place = grid[top + down, :] if not right and width == 2 else grid[top + down, column]
                axes = figure.add_subplot(place, sharex=first)
                first = first or axes
                image = draw_panel(axes, panel)
                drawn.append((panel, axes))
                lowest[column] = axes
                if not right:
                    lowest[1] = axes
                if image is not None:
                    images.append((panel, axes, image))
        _bars(figure, images)
        top += len(_lines(left, right))
    assert first is not None
    length = len(drawn[0][0].values)
    first.set_xlim(-0.5, length - 0.5)
    for axes in set(lowest.values()):
        _style.label(axes, x="time (step)")
    for panel, axes in drawn:
        if mask is not None:
            _style.mark_phases(axes, mask)
        if panel.hidden is not None:
            _style.hide_unscored(axes, ~panel.hidden)
    _legend(figure, [axes for panel, axes in drawn if panel.cmap is None])
    return figure


def draw_panel(axes: Axes, panel: Panel) -> AxesImage | None:
    """Draw one panel; gives the image, or None for lines."""
    bad = "" if np.isfinite(np.ma.compressed(panel.values)).all() else " (gaps: NaN or infinite)"
    _style.label(axes, panel.title + bad, y=panel.y)
    if panel.cmap is None:
        draw_lines(axes, panel)
        return None
    assert panel.limits is not None
    values = panel.values if np.ma.isMaskedArray(panel.values) else np.ma.masked_invalid(panel.values)
    image = _style.draw(axes, values.T, panel.cmap, panel.limits)
    if panel.rows is not None:
        _style.number_rows(axes, panel.rows)
    return image


def draw_lines(axes: Axes, panel: Panel) -> None:
    """A line a head; later ones thinner and dashed, so that equal lines all show."""
    marker = "o" if len(panel.values) <= 60 else None  # a single step has no line
    for head, (values, name) in enumerate(zip(panel.values.T, panel.names)):
        axes.plot(
            np.where(np.isfinite(values), values, np.nan),
            color=_style.LINES[head % len(_style.LINES)],
            linestyle=(0, (3, 2)) if head else "-",
            linewidth=max(2.4 - 0.4 * head, 1.0),
            marker=marker,
            markersize=max(3.6 - 0.5 * head, 1.5),
            label=name,
        )
    axes.grid(color=_style.GRID, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    if panel.limits is not None:
        low, high = panel.limits
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2.5, 5, 10]))
        axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))


def head_names(record: TracedRecord, among: Sequence[TracedRecord]) -> list[str]:
    """What the heads of a record are called: by the order "read heads first" where it is over all heads of a memory."""
    heads = record.heads
    readers, writers = _readers_and_writers(record, among)
    if heads == readers + writers:
        return [f"read head {h}" for h in range(readers)] + [f"write head {h}" for h in range(writers)]
    return [f"head {h}" for h in range(heads)]


def _readers_and_writers(record: TracedRecord, among: Sequence[TracedRecord]) -> tuple[int, int]:
    """How many heads of the record's memory read and write; zeros where it does not have both."""
    weightings = {other.name: other.heads for other in among if other.memory == record.memory}
    readers, writers = weightings.get("read_weights", 0), weightings.get("write_weights", 0)
    return (readers, writers) if readers and writers else (0, 0)


def weighting_panels(
    record: TracedRecord, among: Sequence[TracedRecord], shown: np.ndarray, limits: tuple[float, float]
) -> list[Panel]:
    """Places down and time across, a panel a head."""
    y = "place" if len(shown) == record.places else f"place ({len(shown)} of {record.places} shown)"
    height = 0.5 + min(2.1, max(0.5, 0.25 * len(shown)))
    return [
        Panel(title, y, record.values[:, head][:, shown], height, _style.WEIGHTS, limits, "weight", shown)
        for head, title in _titles(record, among)
    ]


def vector_panels(
    record: TracedRecord, among: Sequence[TracedRecord], limits: tuple[float, float] | None = None
) -> list[Panel]:
    """Elements down and time across, a panel a head."""
    limits = limits or _style.signed_limits(record.values)
    height = 0.5 + min(1.3, max(0.4, 0.25 * record.values.shape[2]))
    return [
        Panel(title, "element", record.values[:, head], height, _style.SIGNED, limits)
        for head, title in _titles(record, among)
    ]


def number_panels(record: TracedRecord, among: Sequence[TracedRecord]) -> list[Panel]:
    """A gate or a scalar: one panel with a line a head, or, of many, an image."""
    gate = record.kind == "gate"
    unit = "gate (0 to 1)" if gate else "value"
    values = record.values
    if values.shape[2] == 1:
        limits = _style.unit_limits(values) if gate else None
        names = head_names(record, among)
        return [Panel(record.title, unit, values[:, :, 0], 1.5, limits=limits, names=names)]
    signed = not gate and bool((values < 0).any())
    scale = _style.unit_limits if gate else _style.signed_limits if signed else _style.peak_limits
    look = (_style.SIGNED if signed else _style.WEIGHTS, scale(values), unit)
    height = 0.5 + min(1.3, 0.15 * values.shape[2] + 0.2)
    y = "head (read heads first)" if values.shape[2] == sum(_readers_and_writers(record, among)) else "element"
    return [Panel(title, y, values[:, head], height, *look) for head, title in _titles(record, among)]


def contents_panels(record: TracedRecord, among: Sequence[TracedRecord], shown: np.ndarray) -> list[Panel]:
    """How much each slot holds over time: the Euclidean norm of its content."""
    norms = np.sqrt(np.square(record.values.astype(float)).sum(-1))  # (L, K, N)
    limits = _style.peak_limits(norms)
    y = "slot" if len(shown) == record.places else f"slot ({len(shown)} of {record.places} shown)"
    height = 0.5 + min(2.1, max(0.5, 0.25 * len(shown)))
    return [
        Panel(f"{title}: size of each slot", y, norms[:, head][:, shown], height, _style.WEIGHTS, limits, "norm", shown)
        for head, title in _titles(record, among)
    ]


def _titles(record: TracedRecord, among: Sequence[TracedRecord]) -> list[tuple[int, str]]:
    """The heads to draw, and a title of each."""
    if record.heads == 1:
        return [(0, record.title)]
    names = head_names(record, among) if record.kind != "contents" else [f"{k}" for k in range(record.heads)]
    more = f", {MOST_HEADS} of {record.heads} shown" if record.heads > MOST_HEADS else ""
    return [(head, f"{record.title} ({names[head]}{more})") for head in range(min(record.heads, MOST_HEADS))]


def _lines(left: list[Panel], right: list[Panel]) -> list[list[Panel]]:
    """The panels of each line of a row."""
    return [[*left[i : i + 1], *right[i : i + 1]] for i in range(max(len(left), len(right)))]


def _bars(figure: Figure, images: list[tuple[Panel, Axes, AxesImage]]) -> None:
    """A colour bar for all images with the same colours."""
    scales = dict.fromkeys((panel.limits, panel.unit, panel.cmap.name if panel.cmap else "") for panel, _, _ in images)
    for scale in scales:
        same = [
            (axes, image)
            for panel, axes, image in images
            if (panel.limits, panel.unit, panel.cmap.name if panel.cmap else "") == scale
        ]
        _style.color_bar(figure, same[0][1], [axes for axes, _ in same], scale[1])


def _legend(figure: Figure, panels: list[Axes]) -> None:
    """One legend of the lines' names below the figure, where there are several."""
    lines = {line.get_label(): line for axes in panels for line in axes.get_lines() if _named(line.get_label())}
    if len(lines) > 1:
        figure.legend(
            handles=list(lines.values()),
            fontsize=_style.TICK,
            loc="outside lower center",
            ncols=min(len(lines), 6),
            frameon=False,
        )


def _named(label: object) -> bool:
    return not str(label).startswith("_")
