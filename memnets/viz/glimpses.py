"""The path of glimpses over an image, and what each of them saw."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from memnets.viz import _style

MOST = 12


def glimpses_figure(image: Tensor, path: Tensor, seen: Tensor, title: str) -> Figure:
    """Draw an image with the places that were looked at, in order, and beside it each glimpse.

    Args:
        image: ``(H, W)``, from 0 to 1.
        path: ``(K, 2)``, x and y from -1 to 1.
        seen: ``(K, scales, size, size)``, what each glimpse saw, from 0 to 1, the sharpest first. Those past the 12th
            are left out.
        title: of the figure.

    Raises:
        ValueError: there is no glimpse, or not as many places.
    """
    if seen.dim() != 4 or not len(seen) or path.shape != (len(seen), 2):
        raise ValueError(
            f"path has shape {tuple(path.shape)} and seen {tuple(seen.shape)}; give (K, 2) and (K, S, n, n)"
        )
    count = min(len(seen), MOST)
    height, width = image.shape
    places = (path[:count].detach().cpu().double().numpy() + 1) / 2 * np.array([width, height]) - 0.5  # (K, 2), pixels
    figure = _style.new_figure(4.2 + 0.85 * count, 4.2, title)
    grid = figure.add_gridspec(seen.shape[1], count + 4)
    picture = figure.add_subplot(grid[:, :4])
    picture.imshow(image.detach().cpu().float().numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    picture.set_axis_off()
    picture.plot(places[:, 0], places[:, 1], color=_style.LINES[4], linewidth=1.4)
    side = seen.shape[-1]
    for number, (x, y) in enumerate(places):
        shade = _style.LINES[1] if number == count - 1 else _style.LINES[4]
        corner = (x - side / 2, y - side / 2)
        picture.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=shade, linewidth=1.2))
        picture.annotate(str(number + 1), corner, color=shade, fontsize=_style.TICK, ha="right", va="bottom")
    for number in range(count):
        for scale in range(seen.shape[1]):
            panel = figure.add_subplot(grid[scale, number + 4])
            pixels = seen[number, scale].detach().cpu().float().numpy()
            panel.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            panel.set_axis_off()
            if not scale:
                panel.set_title(str(number + 1), fontsize=_style.TICK, color=_style.INK, pad=3)
    return figure
