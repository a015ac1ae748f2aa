"""Where a reader or a captioner looked: attention over a line of text, and over a scene word by word."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _fonts, _style

MOST_WORDS = 23
MOST_NAMED = 60
LONG_TITLE = 40


def reading_figure(image: Tensor, reading: Any, *, truth: str | None = None, padded_width: int | None = None) -> Figure:
    """Draw a line of text and, below it, the columns that were looked at for each character.

    Args:
        image: ``(channels, H, W)`` from 0 to 1, the line without its padding.
        reading: has ``text``, ``confidence`` and ``weights (L, C)``, zero at the columns of padding; or None for
            weights where no attention was used.
        truth: what the line says, to be told where it differs.
        padded_width: pixels across the padded image that the columns are of; where None, the last column with a
            weight is taken for the line's last.

    Returns:
        A figure of the line, and, with weights, of the weights, over one axis of pixels.

    Raises:
        ValueError: the image has another number of dimensions.
    """
    pixels = _pixels(image)
    separator = "\n" if len(reading.text) > LONG_TITLE else ", "
    title = f"Read: '{_short(reading.text)}'{separator}confidence {reading.confidence:.2f}"
    if truth is not None:
        title += ", as it should be" if truth == reading.text else f"\nshould be: '{_short(truth)}'"
    weights = reading.weights
    if weights is None or not len(weights):
        figure = _style.new_figure(9.5, 2.2, title)
        _show(figure.subplots(), pixels, "pixel")
        _fonts.use_fonts_for(figure, reading.text + (truth or ""))
        return figure
    values = _numbers(weights)
    across = _pixels_per_column(pixels.shape[1], values, padded_width)
    values = values[:, : int(np.ceil(pixels.shape[1] / across))]
    rows = len(values)
    figure = _style.new_figure(9.5, 2.4 + min(0.22 * rows, 7.0), title)
    line, panel = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, max(0.16 * rows, 1.0)])
    _show(line, pixels, None)
    extent = (-0.5, values.shape[1] * across - 0.5, rows - 0.5, -0.5)
    shown = panel.imshow(
        values, cmap=_style.WEIGHTS, vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=extent
    )
    if rows <= MOST_NAMED:
        panel.set_yticks(range(rows), [_printable(character) for character in reading.text])
    _style.label(panel, "attention", "pixel", "character, in the order read" if rows > 8 else "character")
    panel.set_xlim(-0.5, pixels.shape[1] - 0.5)
    _style.color_bar(figure, shown, [panel], "weight")
    _fonts.use_fonts_for(figure, reading.text + (truth or ""))
    return figure


def caption_figure(image: Tensor, caption: Any) -> Figure:
    """Draw a scene, and again for each word with a veil over the places that were not looked at for it.

    Args:
        image: ``(channels, H, W)`` from 0 to 1.
        caption: has ``words``, ``confidence``, ``weights (L, h, w)`` or None, and ``gates (L,)`` or None. Words past
            the 23rd are left out.

    Returns:
        A figure of one panel, and one more a word.

    Raises:
        ValueError: the image has another number of dimensions.
    """
    pixels = _pixels(image)
    weights = [] if caption.weights is None else [_numbers(w) for w in caption.weights]
    words = list(caption.words)[: min(MOST_WORDS, len(weights))]
    columns = min(len(words) + 1, 6)
    rows = -(-(len(words) + 1) // columns)
    text = _short(" ".join(caption.words)) or "nothing"
    tall = 0.45 + 2.0 * min(pixels.shape[0] / pixels.shape[1], 2.0)
    title = f"{text}\n(confidence {caption.confidence:.2f})"
    figure = _style.new_figure(max(2.1 * columns, 6.0), 0.9 + tall * rows, title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    _picture(panels[0], pixels, "the scene")
    veil = _veil(pixels)
    for t, (panel, word) in enumerate(zip(panels[1:], words)):
        gate = "" if caption.gates is None else f"  gate {float(caption.gates[t]):.2f}"
        _picture(panel, pixels, f"{word}{gate}")
        extent = (-0.5, pixels.shape[1] - 0.5, pixels.shape[0] - 0.5, -0.5)
        peak = _style.peak_limits(weights[t])[1]
        panel.imshow(weights[t], cmap=veil, vmin=0, vmax=peak, interpolation="nearest", extent=extent)
    _fonts.use_fonts_for(figure, text)
    return figure


def _veil(pixels: np.ndarray) -> ListedColormap:
    """Nothing over what was looked at, whose colours stay those of the scene; white, or black on a light one, over the
    rest."""
    shade = 1.0 if pixels.mean() < 0.6 else 0.0
    return ListedColormap([(shade, shade, shade, 0.8 * (1 - share)) for share in np.linspace(0, 1, 256)], "veil")


def _pixels(image: Tensor) -> np.ndarray:
    """(H, W) or (H, W, 3), within 0..1."""
    if image.dim() != 3:
        raise ValueError(f"image has shape {tuple(image.shape)}, but must be (channels, height, width): one image")
    pixels = np.asarray(image.detach().cpu().float().clamp(0, 1))
    return pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels.mean(0)


def _numbers(weights: Tensor) -> np.ndarray:
    """Weights of any precision; NumPy knows no bfloat16."""
    return weights.detach().cpu().double().numpy()


def _pixels_per_column(width: int, weights: np.ndarray, padded_width: int | None) -> float:
    """Columns are a power of 2 of pixels wide; those of an image that was padded reach past it."""
    columns = weights.shape[1]
    if padded_width is None:
        used = np.flatnonzero(weights.any(0))
        columns = int(used[-1]) + 1 if len(used) else columns
    else:
        width = padded_width
    return float(2 ** round(np.log2(max(width / columns, 1.0))))


def _show(axes: Axes, pixels: np.ndarray, x: str | None) -> None:
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_yticks([])
    _style.label(axes, "line", x)


def _picture(axes: Axes, pixels: np.ndarray, title: str) -> None:
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=_style.LABEL, color=_style.INK, pad=4)


def _printable(character: str) -> str:
    """A character as a tick: spaces shown, and no sign that matplotlib takes for mathematics."""
    return "\u2423" if character.isspace() else _style.without_math(character)


def _short(text: str, most: int = 60) -> str:
    """A text as a title: not too long, and no sign that matplotlib takes for mathematics."""
    text = text if len(text) <= most else f"{text[: most - 3]}..."
    return _style.without_math(text)
