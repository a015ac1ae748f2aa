"""Font files: which characters a file says it draws, and whether it does; a damaged one is an error."""

import io
import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from memnets.base.extras import require
from memnets.base.regular_files import UnusableFile, read_regular

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

MAX_BYTES = 2**28
"""Larger font files are not read."""

MAX_CHARACTER_TABLES = 64
"""Tables of characters in a font are a handful; each is read through."""

SIGNATURES = (b"\0\1\0\0", b"OTTO", b"true", b"ttcf")
"""How TrueType and OpenType files start. A web font is packed, and may unpack to a thousand times its size."""


def font_bytes(path: str) -> bytes:
    """The bytes of a font file; raises ValueError if there is none."""
    try:
        data = read_regular(Path(path), MAX_BYTES)
    except UnusableFile as error:
        raise ValueError(f"it {error}") from error
    if not data.startswith(SIGNATURES):
        raise ValueError("it does not start as one")
    return data


@lru_cache(maxsize=64)
def family_and_glyphs(path: str) -> tuple[str, dict[int, str]]:
    """The family of a font file, and its glyphs' names by code point; ValueError if it cannot be read."""
    require("fontTools", purpose="reading fonts")

    from fontTools.ttLib import TTFont

    try:
        with TTFont(io.BytesIO(font_bytes(path)), fontNumber=0, lazy=True) as font:
            check_character_map(font.reader["cmap"])  # type: ignore[reportOptionalSubscript]
            return font["name"].getDebugName(1) or Path(path).stem, dict(font.getBestCmap() or {})  # type: ignore[reportAttributeAccessIssue]
    except Exception as error:  # whatever a damaged table leads its reader to
        raise unreadable(path, error) from error


def load_font(path: str, size: int) -> "FreeTypeFont":
    """A font at a size, in pixels to the em; ValueError if it cannot be read."""
    require("PIL", purpose="reading fonts")

    from PIL import ImageFont

    try:
        return ImageFont.truetype(io.BytesIO(font_bytes(path)), size, layout_engine=ImageFont.Layout.BASIC)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: Exception) -> ValueError:
    """That a file is no font, or a damaged one."""
    reason = str(error) or type(error).__name__
    return ValueError(f"{path} is not a font that can be read ({reason}); give a .ttf, .otf or .ttc file")


def check_character_map(table: bytes) -> None:
    """Raise ValueError where a font's table of characters claims more of them than there are.

    A range takes a few bytes and may claim four thousand million, each of which its reader would write out.
    """
    (tables,) = struct.unpack_from(">H", table, 2)
    if tables > MAX_CHARACTER_TABLES:
        raise ValueError(f"it has {tables} tables of characters")
    for n in range(tables):
        (start,) = struct.unpack_from(">L", table, 8 + 8 * n)
        claimed = sum(max(0, last - first + 1) for first, last in _ranges(table, start))
        if claimed > 2 * 0x110000:
            raise ValueError(f"it claims {claimed} characters")


def _ranges(table: bytes, start: int) -> Iterable[tuple[int, int]]:
    """First and last character of each range of a table that is made of ranges."""
    (kind,) = struct.unpack_from(">H", table, start)
    if kind == 4:
        count = struct.unpack_from(">H", table, start + 6)[0] // 2
        lasts = struct.unpack_from(f">{count}H", table, start + 14)
        return zip(struct.unpack_from(f">{count}H", table, start + 16 + 2 * count), lasts)
    if kind in (12, 13):
        (count,) = struct.unpack_from(">L", table, start + 12)
        groups = table[start + 16 : start + 16 + 12 * min(count, len(table))]
        return ((first, last) for first, last, _ in struct.iter_unpack(">LLL", groups[: len(groups) // 12 * 12]))
    return ()
