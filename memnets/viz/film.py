"""Frames of a clip side by side."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style

ACROSS, MOST = 8, 48
TITLE = 3.0
"""Inches that a title takes."""


def film_figure(frames: Tensor, titles: Sequence[str], title: str = "A clip, frame by frame") -> Figure:
    """Draw the frames of a clip in reading order, eight a row.

    Args:
        frames: ``(T, H, W)``, from 0 to 1. Those past the 48th are left out.
        titles: one a frame, which may be empty.
        title: of the figure.

    Raises:
        ValueError: there is no frame, or not a title for each.
    """
    if frames.dim() != 3 or not len(frames) or len(titles) != len(frames):
        raise ValueError(
            f"frames has shape {tuple(frames.shape)} and there are {len(titles)} titles; give (T, H, W) and T of them"
        )
    pixels = frames[:MOST].detach().cpu().float().numpy()
    rows = -(-len(pixels) // ACROSS)
    figure = _style.new_figure(max(1.35 * min(len(pixels), ACROSS) + 0.4, TITLE), 1.55 * rows + 0.7, title)
    panels = figure.subplots(rows, min(len(pixels), ACROSS), squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for number, (panel, frame, text) in enumerate(zip(panels, pixels, titles)):
        panel.imshow(frame, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        color = _style.WRONG if ", not " in text else _style.INK
        panel.set_title(f"{number + 1}: {text}" if text else str(number + 1), fontsize=7.5, color=color, pad=3)
    return figure
