"""Pictures of single characters, drawn once and kept, and lines put together from them."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from memnets.base.extras import require
from memnets_tasks.images.font_files import load_font

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

MAX_GLYPHS = 100_000
"""Glyphs kept by one cache; past that it starts anew (some 50 MB at 20 pixels)."""


class Glyph(NamedTuple):
    """The ink of one character.

    Attributes:
        ink: ``(h, w)``, uint8; 255 is all ink. Empty for a space.
        left: Columns from the pen to the first column of ink; may be negative.
        top: Rows from the baseline to the first row of ink; negative above the baseline.
        advance: How far the pen moves, in pixels.
    """

    ink: npt.NDArray[np.uint8]
    left: int
    top: int
    advance: float


MAX_EMS = 20
"""Widest and highest glyph, and farthest from the pen; three ems are known, and the longest ligature has some ten."""

BLANKS = "\u2800\u3164"
"""Characters that are no spaces and have no ink: the Braille pattern without dots, and a filler."""

Change = Callable[[str, Glyph, int], Glyph]
"""From a character, its glyph and the pixels to the em, to another glyph of it."""

ASCENT, DESCENT = 0.75, 0.2
"""Room kept above and below the baseline, in ems; without it a lone apostrophe would look like a comma."""


class Line(NamedTuple):
    """A straight line of text.

    Attributes:
        ink: ``(h, w)``, uint8; cut close at the left and right, and above and below where ink leaves the room that
            is always kept.
        boxes: ``(L, 4)``, float32; x0, y0, x1, y1 of each character's ink in it. A space has the room it takes,
            without height.
    """

    ink: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float32]


def draw_glyph(font: "FreeTypeFont", character: str, path: str) -> Glyph:
    """The glyph of a character of a font, which is from the file ``path``.

    Raises:
        ValueError: If it cannot be drawn, or is more than ``MAX_EMS`` wide or high, as none is that is not damaged.
    """
    require("PIL", purpose="drawing text")

    from PIL import Image, ImageDraw

    try:
        edges, advance = font.getbbox(character, anchor="ls"), float(font.getlength(character))
        if max(map(abs, (*edges, advance))) > MAX_EMS * font.size:
            raise ValueError(f"it is larger than {MAX_EMS} ems")
        x0, y0, x1, y1 = map(round, edges)
        image = Image.new("L", (max(0, x1 - x0), max(0, y1 - y0)))
        if image.width and image.height:
            ImageDraw.Draw(image).text((-x0, -y0), character, fill=255, font=font, anchor="ls")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged: it cannot draw {character!r} ({error}); give another font") from error
    ink = np.asarray(image, dtype=np.uint8)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return Glyph(np.zeros((0, 0), np.uint8), 0, 0, advance)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return Glyph(ink, x0 + int(columns[0]), y0 + int(rows[0]), advance)


@lru_cache(maxsize=256)
def check_glyphs(path: str, charset: str, sizes: tuple[int, ...]) -> None:
    """Draw each character at each size once; ValueError where that cannot be done, or leaves no ink."""
    for size in sizes:
        font = load_font(path, size)
        for character in charset:
            glyph = draw_glyph(font, character, path)
            if size == max(sizes) and not glyph.ink.size and not character.isspace() and character not in BLANKS:
                raise ValueError(f"{path} is damaged: {character!r} has no ink; give another font")


class GlyphCache:
    """Glyphs by font file, size and character. A copy sent to another process starts empty."""

    def __init__(self) -> None:
        self._fonts: dict[tuple[str, int], FreeTypeFont] = {}
        self._glyphs: dict[tuple[str, int, str], Glyph] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"_fonts": {}, "_glyphs": {}}

    def __deepcopy__(self, memo: object) -> "GlyphCache":
        return GlyphCache()

    def __len__(self) -> int:
        return len(self._glyphs)

    def glyph(self, path: str, size: int, character: str) -> Glyph:
        """The glyph of a character, drawn with the font file ``path`` at ``size`` pixels to the em."""
        key = (path, size, character)
        found = self._glyphs.get(key)
        if found is None:
            if len(self._glyphs) >= MAX_GLYPHS:
                self._glyphs.clear()
            found = self._glyphs[key] = self._draw(path, size, character)
        return found

    def _draw(self, path: str, size: int, character: str) -> Glyph:
        if (path, size) not in self._fonts:
            self._fonts[path, size] = load_font(path, size)
        return draw_glyph(self._fonts[path, size], character, path)

    def line(self, path: str, size: int, text: str, spacing: float, change: Change | None = None) -> Line:
        """Set a line, each character by its own advance plus ``spacing`` pixels, its glyph as ``change`` makes it."""
        pen, boxes, glyphs = 0.0, [], []
        for character in text:
            glyph = self.glyph(path, size, character)
            if change is not None:
                glyph = change(character, glyph, size)
            x = round(pen) + glyph.left
            height, width = glyph.ink.shape
            if width:
                boxes.append((x, glyph.top, x + width, glyph.top + height))
            else:
                boxes.append((pen, 0.0, pen + max(1.0, glyph.advance), 0.0))
            glyphs.append(glyph)
            pen += glyph.advance + spacing
        edges = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        left, right = math.floor(edges[:, 0].min()), math.ceil(edges[:, 2].max())
        top = min(-round(ASCENT * size), int(edges[:, 1].min()))
        bottom = max(round(DESCENT * size), int(edges[:, 3].max()))
        ink = np.zeros((bottom - top, right - left), np.uint8)
        for glyph, (x, y, _, _) in zip(glyphs, boxes):
            if glyph.ink.size:
                height, width = glyph.ink.shape
                room = ink[y - top : y - top + height, x - left : x - left + width]
                np.maximum(room, glyph.ink, out=room)
        edges -= np.array([left, top, left, top], np.float32)
        return Line(ink, edges)


def stack_lines(
    lines: Sequence[Line],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Lines side by side, each in the top left corner of its picture.

    Returns:
        Ink ``(B, 1, h, w)``, zero past a line's end; boxes ``(B, L, 4)``, NaN past the end of a text; and the lines'
        widths and heights ``(B, 2)``.
    """
    sizes = np.array([line.ink.shape[::-1] for line in lines])
    ink = np.zeros((len(lines), 1, sizes[:, 1].max(), sizes[:, 0].max()), np.uint8)
    boxes = np.full((len(lines), max(len(line.boxes) for line in lines), 4), np.nan, np.float32)
    for b, line in enumerate(lines):
        height, width = line.ink.shape
        ink[b, 0, :height, :width] = line.ink
        boxes[b, : len(line.boxes)] = line.boxes
    return ink, boxes, sizes.astype(np.float64)
