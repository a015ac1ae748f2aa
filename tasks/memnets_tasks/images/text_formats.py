"""The lists of text lines that data sets come with: gt.txt, labels.json, labels.csv, IAM's lists, and LMDB."""

import csv
import io
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from memnets_tasks.images.folders import ImageFolder
from memnets_tasks.images.list_files import MAX_CHARACTERS, byte_lines, oversize, read_json
from memnets_tasks.images.lmdb_lines import LmdbLines
from memnets_tasks.images.skipped_items import SkippedItems

NAMES = ("filename", "file_name", "file", "image", "image_path", "path", "name", "img", "image_id", "id")
LABELS = ("label", "text", "words", "transcription", "transcript", "gt", "sentence", "identity", "value")
"""Heads of the two columns that are wanted, in lower case."""

IMAGE_SUFFIXES = (b".png", b".jpg", b".jpeg", b".ppm", b".pgm", b".bmp", b".gif", b".tif", b".tiff", b".webp")

SNIFFED = 100
"""Lines by which the separator of a list is told."""


class Lines(NamedTuple):
    """Where images are, and which of them shows what: pairs (key, label)."""

    images: "ImageFolder | LmdbLines | ManySources"
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

    A first line that names no image file, as "filename", is a head, and left out. In a list without a tab a comma, a
    semicolon or a blank after the names of image files parts them.
    """
    folder = ImageFolder(images or path.parent)
    lines = byte_lines(path)
    separator = _separator(lines)
    pairs: list[tuple[str, str | bytes]] = []
    for number, line in enumerate(lines, start=1):
        name, tab, label = line.partition(separator)
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
    return Lines(_beside(path, images), _cleaned(list(labels.items()), skipped))


def _separator(lines: Sequence[bytes]) -> bytes:
    """What parts names from labels: a tab, or, where there is none, what follows the image names of most lines."""
    some = [line for line in lines[:SNIFFED] if line.strip()]
    if any(b"\t" in line for line in some):
        return b"\t"
    for separator in (b", ", b",", b";", b" "):
        names = [line.partition(separator)[0] for line in some if separator in line]
        if 2 * sum(name.lower().endswith(IMAGE_SUFFIXES) for name in names) > len(some):
            return separator
    return b"\t"


def read_csv(path: Path, images: Path | None, skipped: SkippedItems) -> Lines:
    """``labels.csv``: a table with a column of image files and one of labels, under a head or without one.

    Columns called as in ``NAMES`` and ``LABELS`` are taken, or else the first two. Comma, semicolon or tab part them.
    The images lie in ``images`` beside the file, or beside it. Raises ValueError where it is no such table.
    """
    text = b"\n".join(byte_lines(path)).decode("utf-8", "surrogateescape")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        rows = list(reader)
    except csv.Error as error:  # as of a quotation mark that nothing closes
        raise ValueError(f"{path} is damaged at line {reader.line_num} ({error}); mend it") from error
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    name = next((n for n, cell in enumerate(head) if cell in NAMES), None)
    label = next((n for n, cell in enumerate(head) if cell in LABELS), None)
    start = 0 if name is None or label is None else 1
    name, label = (0, 1) if name is None or label is None else (name, label)
    pairs: list[tuple[str, str | bytes]] = []
    for number, row in enumerate(rows[start:], start=start + 1):
        if len(row) > max(name, label):
            pairs.append((row[name].strip(), row[label].encode("utf-8", "surrogateescape")))
        elif row:
            skipped.add(f"row {number}", "row without a name and a label")
    return Lines(_beside(path, images), _cleaned(pairs, skipped))


def _beside(path: Path, images: Path | None) -> ImageFolder:
    """The folder given, or ``images`` beside the list where that is there, or the list's own."""
    beside = "images" if (path.parent / "images").is_dir() else ""
    return ImageFolder(path.parent, beside) if images is None else ImageFolder(images)


def read_iam(path: Path, images: Path | None, skipped: SkippedItems) -> Lines:
    """IAM's ``lines.txt`` (Marti & Bunke 2002): nine fields a line, the words of the last parted by "|".

    Lines marked "err" are kept: there the words' places are uncertain, not the text. The images lie in ``lines``
    beside the file, as ``a01/a01-000u/a01-000u-00.png``.
    """
    return _read_iam(path, images, skipped, "lines", 3, keep_errors=True)


def read_iam_words(path: Path, images: Path | None, skipped: SkippedItems) -> Lines:
    """IAM's ``words.txt``: as ``lines.txt``, a word a line. Those marked "err" are cut out wrongly, and skipped.

    The images lie in ``words`` beside the file, as ``a01/a01-000u/a01-000u-00-00.png``.
    """
    return _read_iam(path, images, skipped, "words", 4, keep_errors=False)


def _read_iam(
    path: Path, images: Path | None, skipped: SkippedItems, below: str, parts_of_name: int, *, keep_errors: bool
) -> Lines:
    pairs: list[tuple[str, str | bytes]] = []
    for number, line in enumerate(byte_lines(path), start=1):
        if not line.strip() or line.startswith(b"#"):
            continue
        fields = line.split(b" ", 8)
        name = fields[0].decode("ascii", "replace")
        parts = name.split("-")
        if len(fields) < 9 or len(parts) != parts_of_name:
            skipped.add(f"line {number}", f"not the nine fields of {below}.txt")
        elif fields[1] != b"ok" and not keep_errors:
            skipped.add(name, "word cut out wrongly, marked err")
        else:
            pairs.append((f"{parts[0]}/{parts[0]}-{parts[1]}/{name}.png", fields[8].replace(b"|", b" ")))
    folder = ImageFolder(path.parent, below) if images is None else ImageFolder(images)
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
    "csv": read_csv,
    "iam": read_iam,
    "iam-words": read_iam_words,
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
    if path.is_file() and path.suffix in (".csv", ".tsv"):
        return "csv"
    if path.is_file() and path.suffix == ".txt":
        return {"lines.txt": "iam", "words.txt": "iam-words"}.get(path.name, "gt")
    raise ValueError(
        f"path is {str(path)!r}, whose format its name does not tell; give format= one of "
        f"{', '.join(map(repr, TEXT_FORMATS))}, or the path of gt.txt, labels.json, labels.csv, IAM's lines.txt or "
        "words.txt, or an LMDB folder"
    )


class ManySources:
    """The images of several sets, by the number of the set and its own key: ``1:a.png``."""

    def __init__(self, sources: "Sequence[ImageFolder | LmdbLines | ManySources]") -> None:
        self.sources = sources

    def read(self, key: str) -> bytes:
        """The bytes of an image; raises UnreadableImage."""
        number, _, own = key.partition(":")
        return self.sources[int(number)].read(own)


def read_lines(
    paths: Sequence[Path], format: str | None, images: Path | None, skipped: SkippedItems
) -> tuple[str, Lines]:
    """The format and the lines of a set, or of several as one.

    Args:
        paths: One or more.
        format: Of all of them; None goes by each one's name.
        images: The folder of the images of all, where it is another.
        skipped: Takes what cannot be used.

    Raises:
        ValueError: If a format is unknown, or a file is not of it.
    """
    if format is not None and format not in TEXT_FORMATS:
        raise ValueError(f"format is {format!r}; give one of {', '.join(map(repr, TEXT_FORMATS))}, or None")
    formats = [format or guess_text_format(path) for path in paths]
    sets = [TEXT_FORMATS[each](path, images, skipped) for each, path in zip(formats, paths)]
    if len(sets) == 1:
        return formats[0], sets[0]
    labels = [(f"{number}:{key}", label) for number, lines in enumerate(sets) for key, label in lines.labels]
    return formats[0], Lines(ManySources([lines.images for lines in sets]), labels)


class _Pairs(list):
    """A JSON object as its pairs, in which a name may come twice."""
