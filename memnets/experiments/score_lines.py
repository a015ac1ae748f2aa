"""A reader on any labelled set of lines: its scores, and its wrong lines as CSV or as a page with their images."""

import base64
import csv
import html
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..base.errors import UsageError
from ..base.files import write_atomically
from ..models.text_reader import TextReader
from .class_paths import find_class
from .read_images import read_images

AT_ONCE = 16


class ScoredLine(NamedTuple):
    """One line: its key in the data, what it says, what was read, how sure, how many edits apart, and the image."""

    key: str
    text: str
    reading: str
    confidence: float
    edits: int
    image: Any


class LineScores(NamedTuple):
    """What a reader made of a labelled set: each line, and the scores of all."""

    lines: list[ScoredLine]
    scores: dict[str, float]


def score_lines(model: Any, loader: Any, data: str, **settings: Any) -> LineScores:
    """Read each line of a labelled set.

    Args:
        model: a reader.
        loader: makes the images as the reader's own task does.
        data: the path of gt.txt, labels.json, labels.csv, lines.txt, words.txt or an LMDB.
        settings: ``decode`` and ``beam_size`` of ``TextReader.read``.

    Raises:
        UsageError: the model is no reader, or the data cannot be used.
    """
    if not isinstance(model, TextReader) or not hasattr(loader, "line"):
        raise UsageError(f"lengths: --data needs a reader of lines, but the model is a {type(model).__name__}")
    files: Any = find_class("memnets_tasks.TextLineFiles")
    try:
        task = files(data, split="all", height=loader.height, max_width=loader.max_width)
    except ValueError as error:
        raise UsageError(f"lengths: --data: {error}") from error
    lines = list(_scored(model, task, list(task.labelled(loader)), settings))
    if not lines:
        raise UsageError(f"lengths: --data: none of the images of {data} can be read: {task.skipped}")
    return LineScores(lines, task.line_scores([line.reading for line in lines], [line.text for line in lines]))


def _scored(model: TextReader, task: Any, lines: list[Any], settings: dict[str, Any]) -> Iterator[ScoredLine]:
    found: dict[int, ScoredLine] = {}
    by_width = sorted(range(len(lines)), key=lambda n: lines[n][2].shape[1])
    for start in range(0, len(by_width), AT_ONCE):
        group = by_width[start : start + AT_ONCE]
        images = [torch.from_numpy(lines[n][2].copy())[None].float() / 255 for n in group]
        for n, reading in zip(group, read_images(model, images, **settings)):
            key, text, image = lines[n]
            edits = task.edits(reading.text, text)
            found[n] = ScoredLine(key, text, reading.text, reading.confidence, edits, image)
    yield from (found[n] for n in range(len(lines)))


def write_wrong(lines: Sequence[ScoredLine], path: Path) -> int:
    """Write the lines that were read wrongly, the surest first, as ``.csv`` or ``.html``; returns how many.

    Raises:
        UsageError: the name says neither, or the file cannot be written.
    """
    wrong = sorted((line for line in lines if line.edits), key=lambda line: -line.confidence)
    made = {".csv": _as_csv, ".html": _as_html}.get(path.suffix.lower())
    if made is None:
        raise UsageError(f"lengths: --wrong is {path}: give a name that ends in .csv or .html")
    try:
        write_atomically({path: made(wrong).encode("utf-8", "backslashreplace")})
    except OSError as error:
        raise UsageError(f"lengths: --wrong: {path} cannot be written ({error.strerror})") from error
    return len(wrong)


def _as_csv(lines: Sequence[ScoredLine]) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["image", "text", "reading", "confidence", "edits"])
    rows.writerows([line.key, line.text, line.reading, f"{line.confidence:.4f}", line.edits] for line in lines)
    return out.getvalue()


def _as_html(lines: Sequence[ScoredLine]) -> str:
    """A page that needs nothing beside it, and runs nothing."""
    head = (
        '<!doctype html><meta charset="utf-8"><title>Lines read wrongly</title><style>body{font:15px sans-serif}'
        "td{padding:4px 12px;border-top:1px solid #ccc}code{white-space:pre-wrap}img{max-width:60vw}</style>"
        f"<h1>{len(lines)} lines read wrongly</h1><table><tr><th>image<th>says<th>read<th>confidence<th>edits</tr>"
    )
    return head + "".join(map(_row, lines)) + "</table>\n"


def _row(line: ScoredLine) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(line.image).save(file, format="PNG")
    image = base64.b64encode(file.getvalue()).decode()
    key, text, reading = (html.escape(part) for part in (line.key, line.text, line.reading))
    return (
        f'<tr><td><img alt="" src="data:image/png;base64,{image}"><br><small>{key}</small><td><code>{text}</code>'
        f"<td><code>{reading}</code><td>{line.confidence:.3f}<td>{line.edits}</tr>\n"
    )
