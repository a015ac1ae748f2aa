"""Reading the lists that data sets come with, up to sizes past which no list is honest: text, lines, JSON."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

from memnets.base.regular_files import UnusableFile, read_within

MAX_BYTES = 2**29
"""Larger lists are refused: half a gigabyte. Karpathy's list of COCO has 0.15."""

MAX_ENTRIES = 2**25
"""Lists of more lines, or JSON of more values, are refused: 34 million. The largest sets of rendered words have 9."""

MAX_CHARACTERS = 10_000
"""Longer labels and captions are skipped."""

MAX_MARKS = 30
"""More combining marks in a row are no text (the bound of Unicode's annex 15 for streams): to sort them takes long."""


def read_list(path: Path) -> bytes:
    """The bytes of a list.

    Raises:
        ValueError: If it is no regular file, too large, unreadable, or a link out of its folder.
    """
    try:
        return read_within(path.parent, path.name, MAX_BYTES)
    except UnusableFile as error:
        raise ValueError(f"{path} {error}; give the list itself, with its images in the same folder") from error


def read_text(path: Path) -> str:
    """The text of a list in UTF-8; raises ValueError as ``read_list`` does, or where it is another encoding."""
    try:
        return _few_lines(path, _no_utf_16(path, read_list(path))).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read as UTF-8 ({error}); convert it") from error


def byte_lines(path: Path) -> list[bytes]:
    """The lines of a list, as bytes, so that one that is not UTF-8 costs no other; raises as ``read_list``."""
    data = _few_lines(path, _no_utf_16(path, read_list(path))).removeprefix(b"\xef\xbb\xbf")
    return [line.removesuffix(b"\r") for line in data.split(b"\n")]


def read_json(path: Path, make_object: Callable[[list[tuple[str, object]]], object] = dict) -> object:
    """What a JSON file holds, its objects made of their pairs by ``make_object``.

    Raises:
        ValueError: As ``read_list`` does, or if it is no JSON, nested too deeply, or of too many values.
    """
    data = read_list(path)
    values = sum(data.count(sign) for sign in (b",", b"[", b"{"))  # objects take a hundred times the room of their text
    if values > MAX_ENTRIES:
        raise ValueError(f"{path} holds up to {values} values in JSON, above {MAX_ENTRIES}; part it into smaller files")
    try:
        return json.loads(data, object_pairs_hook=make_object)
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path} is no JSON file that can be read ({error})") from error


def oversize(text: str) -> str:
    """Why a label or caption is too much of one, as a predicate; "" where it is not."""
    if len(text) > MAX_CHARACTERS:
        return f"is longer than {MAX_CHARACTERS} characters"
    marks = 0
    for character in "" if text.isascii() else text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MAX_MARKS:
            return f"has more than {MAX_MARKS} combining marks in a row"
    return ""


def _no_utf_16(path: Path, data: bytes) -> bytes:
    """The data; ValueError where they start with the mark of UTF-16, as some editors and spreadsheets save them."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path} is in UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)")
    return data


def _few_lines(path: Path, data: bytes) -> bytes:
    lines = data.count(b"\n")
    if lines > MAX_ENTRIES:
        raise ValueError(f"{path} has {lines} lines, above {MAX_ENTRIES}; part it into smaller files")
    return data
