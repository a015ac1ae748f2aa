"""What a memory holds, and how its places relate, at a few moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from memnets.viz import _style
from memnets.viz._panels import MOST_HEADS
from memnets.viz._records import TracedRecord, TraceLike, all_records, by_memory, slots_filled

MOMENTS = 4


class _Strip(NamedTuple):
    """One record, of one head, at each step: what stands in a row."""

    title: str
    values: np.ndarray  # (L, rows, columns)
    cmap: Colormap
    limits: tuple[float, float]
    shown: np.ndarray  # the numbers of the rows
    of: int  # rows in all


def memory_figure(trace: TraceLike, index: int = 0, steps: Sequence[int] | None = None) -> Figure:
    """Draw the contents of every memory, slots by width, after a few steps and after the last.

    Where most slots are unused, only the used stretch is shown, as in ``weightings_figure``.

    Args:
        trace: holds contents ``(B, T, N, M)`` or ``(B, T, K, N, M)``, after each step, and lengths ``(B,)``.
        index: which sequence of the batch.
        steps: the steps to draw, counted from 0 (the last is added); four from first to last by default.

    Returns:
        A figure with a row for each record (and each of its K parts) and a panel a step, in a row of the same colours.

    Raises:
        KeyError: the trace lacks its lengths.
        IndexError: the batch has no sequence ``index``, or the sequence no such step.
        ValueError: the trace holds no contents.
    """
    return _moments(trace, index, steps, "contents", "Memory contents", ("element", "slot"))


def matrices_figure(trace: TraceLike, index: int = 0, steps: Sequence[int] | None = None) -> Figure:
    """Draw every matrix of relations between places, after a few steps and after the last.

    Args:
        trace: holds a matrix ``(B, T, N, N)`` or ``(B, T, K, N, N)``, after each step, and lengths ``(B,)``.
        index: which sequence of the batch.
        steps: the steps to draw, counted from 0 (the last is added); four from first to last by default.

    Returns:
        A figure with a row for each record (and each of its K parts) and a panel a step, in a row of the same colours.

    Raises:
        KeyError: the trace lacks its lengths.
        IndexError: the batch has no sequence ``index``, or the sequence no such step.
        ValueError: the trace holds no matrix.
    """
    return _moments(trace, index, steps, "matrix", "Relations between places", ("place (column)", "place (row)"))


def _moments(
    trace: TraceLike, index: int, steps: Sequence[int] | None, kind: str, title: str, axes: tuple[str, str]
) -> Figure:
    records = all_records(trace, index, [kind])
    last = len(records[0].values) - 1
    chosen = np.linspace(0, last, MOMENTS).round().astype(int).tolist() if steps is None else list(steps)
    for step in chosen:
        if not 0 <= step <= last:
            raise IndexError(f"steps must lie in 0..{last} for sequence {index}, got {step}")
    chosen = sorted({*chosen, last})
    strips = [strip for own in by_memory(all_records(trace, index)) for strip in _strips(own, kind)]

    heights = [0.75 + min(3.4, max(0.8, 0.2 * len(strip.shown))) for strip in strips]
    figure = _style.new_figure(2.0 + 1.9 * max(len(chosen), 2), 0.4 + sum(heights), f"{title} (sequence {index})")
    grid = figure.subplots(len(strips), len(chosen), squeeze=False, height_ratios=heights)
    for strip, panels in zip(strips, grid):
        y = axes[1] if len(strip.shown) == strip.of else f"{axes[1]} ({len(strip.shown)} of {strip.of} shown)"
        images = []
        for step, panel in zip(chosen, panels):
            values = np.ma.masked_invalid(strip.values[step])
            images.append(_style.draw(panel, values, strip.cmap, strip.limits))
            when = f"after step {step}" + (" (last)" if step == last else "")
            first = panel is panels[0]
            _style.label(panel, f"{strip.title}\n{when}" if first else when, axes[0], y if first else None)
            _style.number_rows(panel, strip.shown)
            if kind == "matrix":
                _style.number_columns(panel, strip.shown)
            if not first:
                panel.tick_params(labelleft=False)
        _style.color_bar(figure, images[0], panels, "value")
    return figure


def _strips(records: Sequence[TracedRecord], kind: str) -> Iterator[_Strip]:
    """Of one memory's records those of a kind, cropped to the slots that all of them use."""
    for record in records:
        if record.kind != kind:
            continue
        shown = slots_filled(records, record.values.shape[2])
        values = record.values[:, :MOST_HEADS, shown]  # (L, K, rows, columns)
        values = values[..., shown] if kind == "matrix" else values
        signed = kind == "contents" or bool((values < 0).any())
        limits = _style.signed_limits(values) if signed else _style.peak_limits(values)
        for part in range(values.shape[1]):
            more = f", {MOST_HEADS} of {record.heads} shown" if record.heads > MOST_HEADS else ""
            title = record.title if record.heads == 1 else f"{record.title} ({part}{more})"
            cmap = _style.SIGNED if signed else _style.WEIGHTS
            yield _Strip(title, values[:, part], cmap, limits, shown, record.values.shape[2])
