"""The lists of text lines that data sets come with: gt.txt, labels.json, IAM's lines.txt, and LMDB."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from memnets_tasks.images.folders import ImageFolder
from memnets_tasks.images.list_files import MAX_CHARACTERS, byte_lines, oversize, read_json
from memnets_tasks.images.lmdb_lines import LmdbLines
from memnets_tasks.images.skipped_items import SkippedItems


class Lines(NamedTuple):
    """Where images are, and which of them shows what: pairs (key, label)."""

    images: ImageFolder | LmdbLines
    labels: list[tuple[str, str]]


class BadLabel(ValueError):
    """A label that cannot be used; the message says why, in words that are the same for all such labels."""


def clean_label(label: str | bytes) -> str:
    """A label in Unicode normal form C, and otherwise as it is: no case is folded, nothing removed.

    Raises:
        BadLabel: If it is not UTF-8, is empty, holds a control character, or is longer than any line of text.
    """
    if isinstance(label, bytes):
        if len(label) > 4 * MAX_CHARACTERS:
            raise BadLabel(f"label is longer than {MAX_CHARACTERS} characters")
        try:
            label = label.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadLabel("label is not UTF-8") from error
    if not isinstance(label, str):
        raise BadLabel("label is no string")
    if problem := oversize(label):
        raise BadLabel(f"label {problem}")
    label = unicodedata.normalize("NFC", label)
    if not label.strip():
        raise BadLabel("label is empty")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in label):
        raise BadLabel("label holds a control character")
    return label


def _cleaned(pairs: list[tuple[str, str | bytes]], skipped: SkippedItems) -> list[tuple[str, str]]:
    kept = []
    for key, label in pairs:
        try:
            kept.append((key, clean_label(label)))
        except BadLabel as error:
            skipped.add(key, str(error))
    return kept


def read_gt(path: Path, images: Path | None, skipped: SkippedItems) -> Lines:
    """``gt.txt``: on each line the path of an image, a tab, and the label, spaces included.

    A first line that names no image file, as "filename", is a head, and left out.
    """
    folder = ImageFolder(images or path.parent)
    pairs: list[tuple[str, str | bytes]] = []
    for number, line in enumerate(byte_lines(path), start=1):
        name, tab, label = line.partition(b"\t")
        if tab and number == 1 and not Path(name.decode("utf-8", "replace")).suffix and not folder.has(name):
            skipped.add("line 1", "a head that names no image")
        elif tab:
            pairs.append((name.decode("utf-8", "replace"), label))
        elif line.strip():
            skipped.add(f"line {number}", "no tab between path and label")
    return Lines(folder, _cleaned(pairs, skipped))


def read_labels(path: Path, images: Path | None, skipped: SkippedItems) -> Lines:
    """``labels.json``: one object from file names to labels; the images lie in ``images`` beside it, or beside it."""
    data = read_json(path, _Pairs)
    if not isinstance(data, _Pairs):
        raise ValueError(f"{path} holds a {type(data).__name__}; give one JSON object from file names to labels")
    labels: dict[str, Any] = {}
    for name, label in data:
        if name in labels:
            skipped.add(name, "label given twice", "label given twice; the last one counts")
        labels[name] = label
    beside = "images" if (path.parent / "images").is_dir() else ""
    folder = ImageFolder(path.parent, beside) if images is None else ImageFolder(images)
    return Lines(folder, _cleaned(list(labels.items()), skipped))


def read_iam(path: Path, images: Path | None, skipped: SkippedItems) -> Lines:
    """IAM's ``lines.txt`` (Marti & Bunke 2002): nine fields a line, the words of the last parted by "|".

    Lines marked "err" are kept: there the words' places are uncertain, not the text. The images lie in ``lines``
    beside the file, as ``a01/a01-000u/a01-000u-00.png``.
    """
    pairs: list[tuple[str, str | bytes]] = []
    for number, line in enumerate(byte_lines(path), start=1):
        if not line.strip() or line.startswith(b"#"):
            continue
        fields = line.split(b" ", 8)
        name = fields[0].decode("ascii", "replace")
        parts = name.split("-")
        if len(fields) < 9 or len(parts) != 3:
            skipped.add(f"line {number}", "not the nine fields of lines.txt")
            continue
        pairs.append((f"{parts[0]}/{parts[0]}-{parts[1]}/{name}.png", fields[8].replace(b"|", b" ")))
    folder = ImageFolder(path.parent, "lines") if images is None else ImageFolder(images)
    return Lines(folder, _cleaned(pairs, skipped))


def read_lmdb(path: Path, images: Path | None, skipped: SkippedItems) -> Lines:
    """An LMDB environment, which holds its images."""
    if images is not None:
        raise ValueError(f"images is {str(images)!r}, but an LMDB holds its images; leave it out")
    source = LmdbLines(path)
    return Lines(source, _cleaned(list(source.labels(skipped)), skipped))


TEXT_FORMATS: dict[str, Callable[[Path, Path | None, SkippedItems], Lines]] = {
    "lmdb": read_lmdb,
    "gt": read_gt,
    "labels": read_labels,
    "iam": read_iam,
}


def guess_text_format(path: Path) -> str:
    """The format of a file or folder, by its name.

    Raises:
        ValueError: If the name says nothing.
    """
    if path.suffix == ".mdb" or (path.is_dir() and (path / "data.mdb").is_file()):
        return "lmdb"
    if path.is_file() and path.suffix == ".json":
        return "labels"
    if path.is_file() and path.suffix == ".txt":
        return "iam" if path.name == "lines.txt" else "gt"
    raise ValueError(
        f"path is {str(path)!r}, whose format its name does not tell; give format= one of "
        f"{', '.join(map(repr, TEXT_FORMATS))}, or the path of gt.txt, labels.json, lines.txt or an LMDB folder"
    )


class _Pairs(list):
    """A JSON object as its pairs, in which a name may come twice."""
