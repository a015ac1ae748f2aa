"""A font made by the tests."""

from pathlib import Path

from memnets_tasks.images import CHINESE_WORDS


def square_font(path: Path) -> str:
    """A font with a rectangle of its own for each Chinese character of the examples, and for "a", "b"."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    characters = sorted({*"".join(CHINESE_WORDS), "a", "b"})
    names = [".notdef", *(f"box{n}" for n in range(len(characters)))]
    glyphs = {}
    for n, name in enumerate(names):
        pen = TTGlyphPen(None)
        corners = [(100, 0), (100, 300 + 4 * n), (900, 300 + 4 * n), (900, 0)]
        pen.moveTo(corners[0])
        for corner in corners[1:]:
            pen.lineTo(corner)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): name for c, name in zip(characters, names[1:])})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return str(path)
