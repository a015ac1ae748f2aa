"""Numbers over training and over sequence length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

from memnets.viz import _style

METRICS = {
    "bit_errors": ("wrong bits per sequence", "bit errors per sequence"),
    "sequence_accuracy": ("sequences without a wrong bit", "sequence accuracy (share)"),
    "cost": ("cost of the predictions", "bits per sequence"),
    "optimal": ("cost of the optimal predictions", "bits per sequence"),
    "excess": ("cost over the optimum", "excess bits per sequence"),
    "character_error_rate": ("wrong characters", "character error rate (share)"),
    "word_accuracy": ("lines without an error", "line accuracy (share)"),
    "one_minus_ned": ("likeness of the texts", "1 - normalised edit distance"),
    "alignment_error": ("attention's distance from its character", "glyph widths"),
    **{f"bleu{n}": (f"BLEU-{n}", "score") for n in range(1, 5)},
    "cider": ("CIDEr-D", "score"),
    "exact_match": ("captions that are a reference", "exact match (share)"),
    "pointing_accuracy": ("words said while looking there", "pointing accuracy (share)"),
}
"""Title and axis of the metrics of the tasks of this project; others go by their name."""

SHARES = ("accuracy", "match", "ned", "bleu1", "bleu2", "bleu3", "bleu4")
"""Endings of metrics from 0 to 1 of which more is better."""

MOST_ABREAST = 4


def lengths_figure(
    table: Mapping[int, Mapping[str, float]] | Mapping[str, Mapping[str, float]],
    trained_on: tuple[int, int] | int | None = None,
    length_unit: str | None = None,
) -> Figure:
    """Draw length generalisation: each of a task's metrics over sequence length, a panel each.

    Errors stand on a scale that is logarithmic and still has a zero, so that a perfect length shows; accuracies and
    other shares of which more is better (see ``SHARES``) stand on one from 0 to 1.

    Args:
        table: for each length (a whole number, or its text as in ``result.json``) a mapping from metric to value, the
            same metrics at each length, such as bit_errors, wrong bits per sequence, and sequence_accuracy.
        trained_on: the shortest and longest training length, or the longest alone; drawn as a band.
        length_unit: what a length counts, such as "vectors"; a task's ``length_unit``.

    Returns:
        A figure of as many panels as there are metrics.

    Raises:
        ValueError: the table is empty, or a length lacks a metric that another has.
    """
    rows = sorted((int(length), row) for length, row in table.items())
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    if not names:
        raise ValueError("the table of lengths is empty: evaluate at least one length")
    for length, row in rows:
        if missing := set(names) - set(row):
            raise ValueError(f"length {length} lacks {sorted(missing)}: it holds only {sorted(row)}")
    lengths = [length for length, _ in rows]

    across = min(len(names), MOST_ABREAST)
    down = -(-len(names) // across)
    figure = _style.new_figure(1.1 + 4.2 * across, 0.4 + 3.4 * down, "Length generalisation")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for unused in panels[len(names) :]:
        unused.remove()
    for panel, name in zip(panels, names):
        values = np.array([row[name] for _, row in rows], dtype=float)
        _shade(panel, trained_on)
        panel.plot(lengths, values, color=_style.LINES[0], marker="o", markersize=5.5, clip_on=False, zorder=3)
        _length_axis(panel, lengths)
        panel.grid(color=_style.GRID, linewidth=0.6)
        if name.endswith(SHARES):
            panel.set_ylim(-0.03, 1.03)
        else:
            _log_with_zero(panel, [values])
        title, y = METRICS.get(name, (f"{name.replace('_', ' ')} per sequence", name.replace("_", " ")))
        _style.label(panel, title, f"sequence length ({length_unit})" if length_unit else "sequence length", y)
    if trained_on is not None:
        panels[0].legend(fontsize=_style.TICK, loc="upper left", frameon=False)
    return figure


def training_figure(metrics: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Draw losses and errors over the sequences seen in training.

    Args:
        metrics: for each column such as ``train/loss`` or ``val/bit_errors`` two equally long lists: sequences
            seen, and values. Columns that end in ``loss``, ``bit_errors``, ``excess`` or ``character_error_rate`` are
            drawn, others left out.

    Returns:
        A figure with a panel for the losses and one for each kind of errors, where there are any.

    Raises:
        ValueError: there is nothing to draw, or a column's two lists differ in length.
    """
    kinds = {"loss": "loss", **{name: METRICS[name][1] for name in ("bit_errors", "excess", "character_error_rate")}}
    columns = {kind: [name for name in metrics if name.endswith(kind)] for kind in kinds}
    drawn = [kind for kind in kinds if columns[kind]]
    if not drawn:
        raise ValueError(
            f"no column ends in 'loss', 'bit_errors', 'excess' or 'character_error_rate': got {sorted(metrics)}"
        )

    figure = _style.new_figure(1.5 + 4.2 * len(drawn), 3.8, "Training")
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    for panel, kind in zip(panels, drawn):
        series = []
        for number, name in enumerate(columns[kind]):
            x, y = (np.asarray(values, dtype=float) for values in metrics[name])
            if x.shape != y.shape:
                raise ValueError(f"column '{name}' has {len(x)} sequence counts but {len(y)} values")
            known = np.isfinite(x) & np.isfinite(y)
            _curve(panel, x[known], y[known], name, _style.LINES[number % len(_style.LINES)])
            series.append(y[known])
        _log_with_zero(panel, series)
        panel.grid(color=_style.GRID, linewidth=0.6)
        panel.xaxis.set_major_locator(MaxNLocator(nbins=5))
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
        _style.label(panel, kind.replace("_", " "), "training sequences", kinds[kind])
        panel.legend(fontsize=_style.TICK, loc="upper right", frameon=False)
    return figure


def _curve(axes: Axes, x: np.ndarray, y: np.ndarray, name: str, color: str) -> None:
    """A line, with markers where few; a long one is drawn faintly under its running median."""
    window = len(x) // 40 * 2 + 1
    if window < 5:
        axes.plot(x, y, color=color, linewidth=1.6, marker="o" if len(x) <= 40 else None, markersize=4, label=name)
        return
    axes.plot(x, y, color=color, linewidth=0.7, alpha=0.35)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(y, window), axis=-1)
    middle = x[window // 2 : len(x) - window // 2]
    axes.plot(middle, medians, color=color, linewidth=1.8, label=f"{name} (median of {window})")


def _log_with_zero(axes: Axes, series: Iterable[np.ndarray]) -> None:
    """A log scale; with zeros among the values, linear from zero to the decade of the smallest above it."""
    values = np.concatenate([*series, np.empty(0)])
    values = values[np.isfinite(values)]
    positive = values[values > 0]
    if len(positive) == len(values) and len(values):
        axes.set_yscale("log")
        _plain_numbers(axes)
        return
    smallest = 10.0 ** np.floor(np.log10(positive.min())) if positive.size else 1.0
    axes.set_yscale("symlog", linthresh=smallest, linscale=0.5)
    _plain_numbers(axes)
    axes.set_ylim(min(-0.15 * smallest, values.min(initial=0.0)), 2 * max(smallest, values.max(initial=0.0)))


def _plain_numbers(axes: Axes) -> None:
    """Ticks as 0.3, 6 and 20 in place of powers of ten; those between decades only within one."""

    def between(value: float, _: float) -> str:
        bottom, top = axes.get_ylim()
        return f"{value:g}" if 0 < bottom < top < 10 * bottom else ""

    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(between)
    axes.tick_params(axis="y", which="minor", labelsize=_style.TICK)


def _shade(axes: Axes, trained_on: tuple[int, int] | int | None) -> None:
    if trained_on is None:
        return
    first, last = (1, trained_on) if isinstance(trained_on, int) else trained_on
    name = f"trained on {first} to {last}"
    axes.axvspan(first, last, color=_style.LINES[4], alpha=0.22, linewidth=0, zorder=0, label=name)


def _length_axis(axes: Axes, lengths: list[int]) -> None:
    """Ticks at the lengths measured, on a log scale where they span more than a factor of eight."""
    first, last = lengths[0], lengths[-1]
    if first > 0 and last > 8 * first:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(first / 1.6, last * 1.2)
    else:
        axes.set_xlim(0, last * 1.06)
    if len(lengths) <= 8:
        axes.set_xticks(lengths, [str(length) for length in lengths])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
