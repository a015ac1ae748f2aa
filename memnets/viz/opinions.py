"""What a network holds to be the label after each symbol of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _fonts, _style
from memnets.viz._batches import to_numpy

MOST = 60
"""Symbols that are shown."""


def opinions_figure(
    symbols: Sequence[str], labels: Sequence[str], chances: Tensor, wanted: Sequence[int | None], title: str
) -> Figure:
    """Draw the probability of each label after each symbol, and mark the label wanted.

    Args:
        symbols: T, in order. Those past the 60th are left out.
        labels: O.
        chances: ``(T, O)``.
        wanted: for each symbol the label that is scored there, or None.
        title: of the figure.

    Raises:
        ValueError: sizes do not fit.
    """
    if tuple(chances.shape) != (len(symbols), len(labels)) or len(wanted) != len(symbols) or not len(symbols):
        raise ValueError(
            f"chances has shape {tuple(chances.shape)} for {len(symbols)} symbols and {len(labels)} labels; give (T, O)"
        )
    values = to_numpy(chances[:MOST]).T  # (O, T)
    shown = list(symbols)[:MOST]
    figure = _style.new_figure(max(2.4 + 0.3 * len(shown), 5.0), max(1.6 + 0.26 * len(labels), 2.2), title)
    axes = figure.subplots()
    image = _style.draw(axes, values, _style.WEIGHTS, (0.0, 1.0))
    for step, label in enumerate(wanted[:MOST]):
        if label is not None:
            colour = _style.INK if values[:, step].argmax() == label else _style.WRONG
            axes.plot(step, label, marker="o", markersize=5, markerfacecolor="none", markeredgecolor=colour)
    upright = all(len(symbol) == 1 for symbol in shown)
    axes.set_xticks(range(len(shown)), shown, rotation=0 if upright else 60, ha="center" if upright else "right")
    axes.set_yticks(range(len(labels)), list(labels))
    _style.label(axes, None, "read so far", "label (ring: wanted)")
    _style.color_bar(figure, image, [axes], "probability")
    _fonts.use_fonts_for(figure, "".join([*shown, *labels]))
    return figure
