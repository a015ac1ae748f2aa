"""An image, and the canvas on which it was drawn step by step."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from memnets.viz import _style

ACROSS = 9


class Animation(NamedTuple):
    """Frames to be saved as a GIF: ``frames (T, H, W)`` from 0 to 1; each stays for ``seconds``, the last for four."""

    frames: Tensor
    seconds: float = 0.4
    scale: int = 4

    def gif(self) -> bytes:
        """The file's content.

        Raises:
            ValueError: there is no frame, or frames have another number of dimensions.
        """
        from PIL import Image

        if self.frames.dim() != 3 or not len(self.frames):
            raise ValueError(f"frames has shape {tuple(self.frames.shape)}; give (T, H, W), at least one of them")
        pixels = (255 * self.frames.detach().cpu().float().clamp(0, 1)).round().byte().numpy()
        pixels = np.kron(pixels, np.ones((1, self.scale, self.scale), np.uint8))
        first, *others = [Image.fromarray(frame) for frame in pixels]
        times = [*[round(1000 * self.seconds)] * len(others), round(4000 * self.seconds)]
        file = io.BytesIO()
        first.save(file, format="gif", save_all=True, append_images=others, duration=times, loop=0)
        return file.getvalue()


def tiled(canvases: Tensor) -> Tensor:
    """Drawings ``(n, T, H, W)`` side by side in a square, a line of grey between: ``(T, H', W')``."""
    import torch

    count, steps, height, width = canvases.shape
    across = int(np.ceil(np.sqrt(count)))
    down = -(-count // across)
    whole = torch.full((steps, down * (height + 1) + 1, across * (width + 1) + 1), 0.35)
    for number, drawing in enumerate(canvases):
        top, left = number // across * (height + 1) + 1, number % across * (width + 1) + 1
        whole[:, top : top + height, left : left + width] = drawing
    return whole


def drawing_figure(image: Tensor, canvases: Tensor, windows: Tensor | None, title: str) -> Figure:
    """Draw an image and, beside it, the canvas after each step, with a frame where that step wrote.

    Args:
        image: ``(H, W)``, from 0 to 1.
        canvases: ``(T, H, W)``, from 0 to 1.
        windows: ``(T, 3)``, x, y and side in pixels, or None.
        title: of the figure.

    Raises:
        ValueError: there is no canvas, or image and canvases differ in size.
    """
    if canvases.dim() != 3 or not len(canvases) or canvases.shape[1:] != image.shape:
        raise ValueError(
            f"canvases has shape {tuple(canvases.shape)}; give (T, H, W), of an image {tuple(image.shape)}"
        )
    shown = [image, *canvases]
    across = min(len(shown), ACROSS)
    rows = -(-len(shown) // across)
    figure = _style.new_figure(max(1.2 * across, 3.6) + 0.3, 1.4 * rows + 0.6, title)
    panels = figure.subplots(rows, across, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for number, (panel, pixels) in enumerate(zip(panels, shown)):
        panel.imshow(pixels.detach().cpu().float().numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panel.set_title(f"step {number}" if number else "the image", fontsize=_style.TICK, color=_style.INK, pad=3)
        if number and windows is not None:
            x, y, side = windows[number - 1].tolist()
            corner = (x - side / 2, y - side / 2)
            panel.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=_style.LINES[4], linewidth=1.3))
    return figure
