"""Which fonts there are, which of them have the characters wanted, and which are held out for testing."""

import importlib.util
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from memnets.base.extras import require
from memnets_tasks.images.font_files import family_and_glyphs
from memnets_tasks.images.glyphs import check_glyphs

PRINTABLE = "".join(chr(code) for code in range(33, 127))
"""The 94 printable ASCII characters, without the space."""

WESTERN = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœ£€§°¿¡«»"
"""Letters with accents, ligatures and signs that the languages of Western Europe have beside ASCII."""

DEFAULT_HELD_OUT = "STIXGeneral"
"""Family of matplotlib's fonts that is kept from training."""

SUFFIXES = {".ttf", ".otf", ".ttc"}

_DEFAULT_PREFIXES = ("DejaVuSans", "DejaVuSerif", "STIXGeneral")

_PARTIAL = {"cmr10.ttf": "", "cmb10.ttf": "", "cmss10.ttf": "", "cmti10.ttf": "$", "cmtt10.ttf": ""}
"""Computer Modern, beside them: it says "<" and draws an inverted exclamation mark, for which its glyphs' names are
enough, and by no right name a pound for the dollar."""

_SYSTEM_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")


class Font(NamedTuple):
    """A font file, the name of its family, such as "DejaVu Sans", and the characters wanted that it has not."""

    path: str
    family: str
    lacks: frozenset[str] = frozenset()


def lacking(path: str, charset: str) -> str:
    """The characters of ``charset`` that a font cannot show.

    For printable ASCII the names of the glyphs are looked at too: some fonts of symbols offer a picture of their
    own under "<" or "A", and a text drawn with them would not say what its label says.

    Raises:
        ValueError: If the file is not a font.
    """
    require("fontTools", purpose="drawing text")

    from fontTools import agl

    glyphs = family_and_glyphs(path)[1]
    printable = [glyphs[code] for code in range(33, 127) if code in glyphs]

    def shows(character: str) -> bool:
        name = glyphs.get(ord(character))
        if name is None or character not in PRINTABLE:
            return name is not None
        return agl.toUnicode(name) in ("", character) and printable.count(name) == 1

    return "".join(character for character in charset if not shows(character))


def check_charset(charset: str) -> None:
    """Raise ValueError unless ``charset`` has one or more characters, each once, that stand side by side."""
    if not charset:
        raise ValueError("charset is empty; give the characters that lines are made of")
    if len(set(charset)) < len(charset):
        twice = sorted({character for character in charset if charset.count(character) > 1})
        raise ValueError(f"charset holds {''.join(twice)!r} more than once; give each character once")
    if unicodedata.normalize("NFC", charset) != charset:
        raise ValueError("charset is not in Unicode normal form C; pass unicodedata.normalize('NFC', charset)")
    bad = [character for character in charset if not _stands_alone(character)]
    if bad:
        raise ValueError(
            f"charset holds {', '.join(f'U+{ord(character):04X}' for character in bad)}: control characters, marks "
            "that combine, jamo, and scripts written from the right cannot be drawn character by character"
        )


def _stands_alone(character: str) -> bool:
    joins = unicodedata.category(character)[0] in "MC" or 0x1100 <= ord(character) <= 0x11FF
    return not joins and unicodedata.bidirectional(character) not in ("R", "AL")


def _matplotlib_folder() -> Path:
    require("matplotlib", purpose="fonts=None, which takes those of matplotlib,")
    spec: Any = importlib.util.find_spec("matplotlib")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


def _default_fonts(charset: str, sizes: Sequence[int]) -> list[Font]:
    """Matplotlib's that have every character, and, if there are any, its others that have most of them."""
    folder = _matplotlib_folder()
    paths = sorted(path for path in folder.glob("*.ttf") if path.name.startswith(_DEFAULT_PREFIXES))
    found = _covering(paths, charset, sizes)
    for name, wrong in _PARTIAL.items() if found else ():
        path = folder / name
        if path.is_file():
            lacks = frozenset(lacking(str(path), charset)) | (set(wrong) & set(charset))
            found += [Font(str(path), family_and_glyphs(str(path))[0], lacks)] if 2 * len(lacks) < len(charset) else []
    return found


def _system_fonts(charset: str, sizes: Sequence[int]) -> list[Font]:
    """Those of the system's fonts that have every character."""
    folders = (Path(folder).expanduser() for folder in _SYSTEM_FOLDERS)
    return [font for folder in folders for font in _covering(_font_files(folder), charset, sizes)]


_NAMED = {"matplotlib": _default_fonts, "system": _system_fonts}


def _font_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _covering(paths: Iterable[Path], charset: str, sizes: Sequence[int]) -> list[Font]:
    """The fonts that draw every character; files that are no fonts, or damaged, and fonts that lack one, are not."""
    found = []
    for path in paths:
        try:
            if not lacking(str(path), charset):
                check_glyphs(str(path), charset, tuple(sizes))
                found.append(Font(str(path), family_and_glyphs(str(path))[0]))
        except ValueError:
            continue
    return found


def find_fonts(fonts: Sequence[str | Path] | None, charset: str, sizes: Sequence[int] = (24,)) -> list[Font]:
    """The fonts to draw a charset with.

    Args:
        fonts: Font files, and folders which are searched, subfolders included. A file must have every character;
            of a folder those fonts are taken that have. "matplotlib" stands for its DejaVu and STIX fonts, and its
            Computer Modern for the characters that it has, if most; "system" for the folders of the system's fonts.
            None takes matplotlib's, or, where none of DejaVu and STIX has every character (as with Chinese), those of
            the system's fonts that have.
        charset: The characters wanted.
        sizes: Pixels to the em at which each of them is drawn once, to find out what is damaged.

    Returns:
        At least one font, in a fixed order.

    Raises:
        ValueError: If a file is no font, is damaged or lacks a character, a path is not there, or no font is left.
    """
    if fonts is None:
        found = _default_fonts(charset, sizes) or _system_fonts(charset, sizes)
    elif isinstance(fonts, (str, Path)):
        raise ValueError(f"fonts is {str(fonts)!r}; give a list of files and folders, such as [{str(fonts)!r}]")
    else:
        found = [font for path in fonts for font in _given(path, charset, sizes)]
    if not found:
        where = "among matplotlib's and the system's fonts" if fonts is None else f"in {[str(path) for path in fonts]}"
        raise ValueError(
            f"no font {where} has every character of the charset ({_shown(charset)}); give fonts=[...] that have, "
            "for Chinese for instance the wqy-microhei.ttc of Debian's package fonts-wqy-microhei"
        )
    return list(dict.fromkeys(found))


def _given(name: str | Path, charset: str, sizes: Sequence[int]) -> list[Font]:
    if name in _NAMED:
        return _NAMED[str(name)](charset, sizes)
    path = Path(name).expanduser()
    if path.is_dir():
        return _covering(_font_files(path), charset, sizes)
    if not path.is_file():
        raise ValueError(f"fonts names {path}, which is not there; give font files, or folders of them")
    missing = lacking(str(path), charset)
    if missing:
        raise ValueError(
            f"the font {path.name} has no glyph of its own for {_shown(missing)}; give another font, or a charset "
            "without them"
        )
    check_glyphs(str(path), charset, tuple(sizes))
    return [Font(str(path), family_and_glyphs(str(path))[0])]


def _shown(characters: str, most: int = 40) -> str:
    return characters if len(characters) <= most else f"{characters[:most]}... ({len(characters)} characters)"


def split_fonts(fonts: Sequence[Font], held_out: str | None, which: str) -> list[Font]:
    """The fonts to train with, or those of the held-out family.

    Args:
        fonts: All fonts.
        held_out: Name of the family that is kept from training; None for none.
        which: "train" or "held-out".

    Raises:
        ValueError: If none is left that has every character, or ``which`` is neither.
    """
    if which not in ("train", "held-out"):
        raise ValueError(f"font_split is {which!r}; give 'train' or 'held-out'")
    families = sorted({font.family for font in fonts if not font.lacks})
    if held_out not in (None, DEFAULT_HELD_OUT, *families):
        raise ValueError(
            f"held_out_family is {held_out!r}; give one with every character of the charset, of {families}, or None"
        )
    kept = [font for font in fonts if (font.family == held_out) == (which == "held-out")]
    if all(font.lacks for font in kept):  # those that lack a character draw only the lines they can
        raise ValueError(
            f"no font is left for font_split {which!r} with held_out_family {held_out!r}; the families with every "
            f"character of the charset are {families}: name one of two or more as held_out_family, or None"
        )
    return kept
