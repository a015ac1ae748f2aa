"""A font for texts of scripts that matplotlib's own does not have."""

from __future__ import annotations

from functools import lru_cache

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.text import Text

OWN = "DejaVu Sans"
PLACEHOLDER = "Last Resort"
"""Comes with matplotlib and has a box, with the script's name, for every character."""


def use_fonts_for(figure: Figure, text: str) -> None:
    """Let every text of a figure fall back on a font that has the characters of ``text``, where one is installed."""
    other = family_for("".join(sorted(set(text))))
    if other is not None:
        for artist in figure.findobj(Text):
            artist.set_fontfamily([OWN, other])  # pyright: ignore[reportAttributeAccessIssue]


@lru_cache(maxsize=64)
def family_for(characters: str) -> str | None:
    """The family of the installed font with most of what matplotlib's own lacks; None if it lacks nothing."""
    own = findfont(FontProperties(family=OWN))
    lacking = {ord(character) for character in characters if not character.isspace()} - _codes(own)
    if not lacking:
        return None
    _add_new_fonts()
    fonts = [font for font in fontManager.ttflist if not font.name.startswith(PLACEHOLDER)]
    had, family = max(((len(lacking & _codes(font.fname)), font.name) for font in fonts), default=(0, ""))
    return family if had else None


@lru_cache(maxsize=1)
def _add_new_fonts() -> None:
    """Tell matplotlib of fonts that were installed after it wrote down which there are."""
    for path in sorted(set(findSystemFonts()) - {font.fname for font in fontManager.ttflist}):
        try:
            fontManager.addfont(path)
        except (OSError, RuntimeError):
            continue  # a broken font, or one of a format that matplotlib cannot draw with


@lru_cache(maxsize=1024)
def _codes(path: str) -> frozenset[int]:
    """The code points that a font file has; none for a file that cannot be read."""
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
