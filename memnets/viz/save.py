"""Figures to files and arrays."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 150


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as a PNG, whole or not at all.

    The picture is written under a temporary name in the same folder and then moved to `path`, so that a
    reader never meets half a file. Folders above `path` are made.

    Args:
        figure: any matplotlib figure.
        path: where to; the name must end in `.png`.

    Returns:
        The path written.

    Raises:
        ValueError: `path` does not end in `.png`.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"save_figure writes PNG files: give a name that ends in .png, got '{path.name}'")
    path.parent.mkdir(parents=True, exist_ok=True)
    # A plain open() follows the umask; a file of tempfile would stay readable to its owner only.
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        figure.savefig(part, format="png", dpi=DPI)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def to_array(figure: Figure) -> np.ndarray:
    """The pixels of a figure, for loggers that take images.

    Returns:
        Array (height, width, 3) uint8 at the figure's own resolution (`figure.dpi`).
    """
    shown_on = figure.canvas
    canvas = FigureCanvasAgg(figure)
    try:
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()
    finally:
        figure.set_canvas(shown_on)
