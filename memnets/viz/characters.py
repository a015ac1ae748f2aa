"""A text whose characters are coloured by a number each, such as what a unit held after each."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from memnets.viz import _style

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Drawn for what has no picture, such as control characters."""

COLUMNS, LINES = 100, 40
"""Characters of a line and lines at most."""


def characters_figure(text: str, values: np.ndarray, title: str, label: str = "value") -> Figure:
    """Draw a text, a coloured box behind each character: zero is white.

    Args:
        text: of T characters; lines are broken at line feeds, and where they are longer than 100 characters. What comes
            after 40 lines is left out.
        values: ``(T,)``.
        title: of the figure.
        label: of the colour bar.

    Raises:
        ValueError: there is no character, or not a value for each.
    """
    values = np.asarray(values, dtype=float)
    if not text or values.shape != (len(text),):
        raise ValueError(f"there are {values.shape} values for {len(text)} characters, but each needs one")
    places = _places(text)
    rows = max(row for row, _ in places) + 1
    columns = max(max(column for _, column in places) + 1, 20)
    figure = _style.new_figure(min(0.095 * columns + 1.2, 11.5), 0.2 * rows + 1.0, title)
    axes = figure.subplots()
    shown = values[: len(places)]
    one_sided = bool((shown >= 0).all())  # no colours for numbers that there are none of
    limits = (0.0, max(float(shown.max()), 1e-12)) if one_sided else _style.signed_limits(shown)
    cmap = _style.colors("Oranges") if one_sided else _style.SIGNED
    colors = cmap((values - limits[0]) / max(limits[1] - limits[0], 1e-12))
    for character, (row, column), color in zip(text, places, colors):
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=color, linewidth=0))
        ink = "white" if np.dot(color[:3], (0.3, 0.6, 0.1)) < 0.45 else _style.INK
        sign = {"\n": "\u21b5", "\t": "\u2192"}.get(character, character if character.isprintable() else UNKNOWN)
        axes.text(
            column + 0.5, row + 0.55, sign, ha="center", va="center", family="DejaVu Sans Mono", fontsize=8, color=ink
        )
    axes.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    shades = axes.imshow(
        np.zeros((1, 1)), cmap=cmap, vmin=limits[0], vmax=limits[1], extent=(0, 0, 0, 0), aspect="auto"
    )
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    _style.color_bar(figure, shades, [axes], label)
    return figure


def _places(text: str) -> list[tuple[int, int]]:
    """Row and column of each character, of the first lines."""
    places, row, column = [], 0, 0
    for character in text:
        if row >= LINES:
            break
        places.append((row, column))
        column += 1
        if character == "\n" or column >= COLUMNS:
            row, column = row + 1, 0
    return places
