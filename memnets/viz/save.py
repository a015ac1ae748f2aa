"""Figures to files and arrays."""

from __future__ import annotations

import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from memnets.base.files import write_atomically
from memnets.base.terminal import escaped
from memnets.viz.drawing import Animation

FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"dpi": 150},
    ".pdf": {"dpi": 300, "metadata": {"CreationDate": None}},
    ".svg": {"dpi": 300, "metadata": {"Date": None}},
}
"""The endings there are, with what matplotlib is told; without a date, equal figures are equal files."""

_fonts = threading.Lock()
_font_log = logging.getLogger("matplotlib.font_manager")


def save_figure(figure: Figure | Animation, path: str | os.PathLike[str]) -> Path:
    """Write a figure as a PNG, PDF or SVG, by the ending of its name, or an animation as a GIF; whole or not at all.

    A reader never meets half a file. Folders above ``path`` are made. The fonts of a PDF are embedded as TrueType,
    as publishers ask.

    Args:
        figure: any matplotlib figure, or an animation.
        path: where to; the name must end in ``.png``, ``.pdf`` or ``.svg``, that of an animation in ``.gif``.

    Returns:
        The path written.

    Raises:
        ValueError: ``path`` has another ending.
    """
    path = Path(path)
    if isinstance(figure, Animation):
        if path.suffix.lower() != ".gif":
            raise ValueError(f"animations are saved as .gif: give a name that ends so, got '{path.name}'")
        write_atomically({path: figure.gif()})
        return path
    ending = check_ending(path)
    drawn = io.BytesIO()
    _escape_texts(figure)
    with _quiet(), _truetype() if ending == ".pdf" else nullcontext():
        figure.savefig(drawn, format=ending[1:], **FORMATS[ending])
    write_atomically({path: drawn.getvalue()})
    return path


def check_ending(path: Path) -> str:
    """The ending of a figure's name; ValueError unless figures are saved so."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"figures are saved as {', '.join(FORMATS)}: give a name that ends so, got '{path.name}'")
    return ending


def _escape_texts(figure: Figure) -> None:
    """Write out control characters and halves of characters, which no font and no SVG takes: names may be anybody's."""
    for text in figure.findobj(Text):
        shown = text.get_text()
        if shown != (plain := escaped(shown, keep="\n")):
            text.set_text(plain)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without a warning for each character that no font has, which would also bring it to the terminal as it is.

    Nor is it said where a font has no bold face.
    """
    level = _font_log.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from font", category=UserWarning)
        _font_log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            _font_log.setLevel(level)


@contextmanager
def _truetype() -> Iterator[None]:
    """Matplotlib's setting, which is one for all threads, as it was afterwards."""
    with _fonts:
        before = matplotlib.rcParams["pdf.fonttype"]
        matplotlib.rcParams["pdf.fonttype"] = 42
        try:
            yield
        finally:
            matplotlib.rcParams["pdf.fonttype"] = before


def to_array(figure: Figure) -> np.ndarray:
    """The pixels of a figure, for loggers that take images.

    Returns:
        Array ``(height, width, 3)`` uint8 at the figure's own resolution (``figure.dpi``).
    """
    shown_on = figure.canvas
    canvas = FigureCanvasAgg(figure)
    _escape_texts(figure)
    try:
        with _quiet():
            canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()
    finally:
        figure.set_canvas(shown_on)
