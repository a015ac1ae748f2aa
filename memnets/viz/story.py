"""Pictures in a row, and under each the sentence that was told of it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _fonts, _style
from memnets.viz._batches import to_numpy

ACROSS, MOST, WIDTH = 6, 24, 22


def story_figure(images: Tensor, said: Sequence[str], wanted: Sequence[str] | None = None) -> Figure:
    """Draw the pictures of a story in reading order, six a row, each over what was said of it.

    Args:
        images: ``(T, C, H, W)`` from 0 to 1, of one channel or three. Those past the 24th are left out.
        said: a sentence a picture.
        wanted: the sentences it should be, to be told where they differ.

    Raises:
        ValueError: there is no picture, or not one sentence for each.
    """
    if images.dim() != 4 or not len(images) or len(said) != len(images) or len(wanted or said) != len(images):
        raise ValueError(
            f"images has shape {tuple(images.shape)} and there are {len(said)} sentences; give (T, C, H, W) and T each"
        )
    pixels = to_numpy(images[:MOST]).transpose(0, 2, 3, 1).clip(0, 1)  # (T, H, W, C)
    texts, right = [], []
    for number, text in enumerate(said[:MOST]):
        truth = text if wanted is None else wanted[number]
        right.append(text == truth)
        whole = text if text == truth else f"{text}\n(not: {truth})"
        texts.append("\n".join(textwrap.fill(line, WIDTH) for line in whole.splitlines()))
    rows, lines = -(-len(pixels) // ACROSS), max(text.count("\n") + 1 for text in texts)
    height = (2.4 + 0.18 * lines) * rows + 0.5
    figure = _style.new_figure(2.1 * min(len(pixels), ACROSS) + 0.4, height, "A story, picture by picture")
    panels = figure.subplots(rows, min(len(pixels), ACROSS), squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for number, (panel, picture) in enumerate(zip(panels, pixels)):
        panel.imshow(picture.squeeze(-1) if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)
        colour = _style.INK if right[number] else _style.WRONG
        below = {"ha": "center", "va": "top", "fontsize": 9, "color": colour, "transform": panel.transAxes}
        panel.text(0.5, -0.04, texts[number], **below)
        panel.set_title(str(number + 1), fontsize=8, color=_style.FRAME, pad=2)
    _fonts.use_fonts_for(figure, " ".join([*said, *(wanted or ())]))
    return figure
