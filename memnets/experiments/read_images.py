"""Image files through a trained model: read, describe."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import viz
from ..base.errors import UsageError
from ..base.terminal import escaped
from ..models.captioner import Captioner
from ..models.text_reader import TextReader
from .image_answers import Record, Writer, writer_for
from .image_paths import find_images
from .load import load_reader
from .shipped import load_shipped

AT_ONCE = 16
"""Images that a model is given at a time, of about one width."""

IN_MEMORY = 64
"""Images in memory at a time."""

UNSURE = 0.8
"""Below this confidence a line is read as its negative too."""

MOST_TIMES_AS_WIDE = 4
"""Lines wider than that many times the widest a reader was calibrated on are not read: nothing is known of such."""

LEFT_UNREAD = 0.8
"""A line that was read to less of its width has a part that was not."""

Predictions = list[tuple[Any, int]]
"""Of each image, and the width of the padded images that it was predicted with."""


class _Kind(NamedTuple):
    """What is different between the two commands."""

    command: str
    other: str
    """The other command's name."""
    needs: type[nn.Module]
    """The model that it is for."""
    elsewhere: type[nn.Module]
    """The model that the other command is for."""
    does: str
    columns: list[str]
    """Of a record; the second is what a line of text says."""
    said: Callable[[Any], Record]
    """A prediction as a part of a record."""
    draw: Callable[[Tensor, Any, int], Any]
    """A figure of an image, its prediction, and the width of the padded images that were predicted together."""
    unpadded: Callable[[Any], list[Tensor]]
    """The images of a batch, each at its own size."""


class _Item(NamedTuple):
    """An image file: what was made of it, or why it could not be read."""

    path: str
    problem: str | None
    image: Any = None
    prediction: Any = None
    padded_width: int = 0
    place: dict[str, Any] | None = None
    """Of a line of a page: its number and its box."""


class _Line(NamedTuple):
    """A reading, and whether it is of the image's negative."""

    reading: Any
    inverted: bool

    @property
    def confidence(self) -> float:
        """Of the reading."""
        return self.reading.confidence


def read(options: argparse.Namespace) -> int:
    """``memnets read``: the text of images of lines."""

    def draw(image: Tensor, line: _Line, padded_width: int) -> Any:
        return viz.reading_figure(1 - image if line.inverted else image, line.reading, padded_width=padded_width)

    def unpadded(batch: Any) -> list[Tensor]:
        return [image[..., :width] for image, width in zip(batch.images, batch.widths.tolist())]

    def said(line: _Line) -> Record:
        to, confidence = round(line.reading.read_to, 3), round(line.confidence, 6)
        return {"text": line.reading.text, "confidence": confidence, "read_to": to, "inverted": line.inverted}

    place = ["line", "box"] if options.page else []
    columns = ["image", "text", "confidence", "read_to", "inverted", *place, "error"]
    kind = _Kind("read", "describe", TextReader, Captioner, "reads lines", columns, said, draw, unpadded)
    paths = _paths(options)
    model, loader = _load(kind, options) if options.run_dir else load_shipped()
    if options.decode:
        try:
            model.check_decode(options.decode)
        except ValueError as error:
            raise UsageError(f"read: --{error}") from error
    decode = options.decode or _way(model)
    model.sizes = options.sizes or model.sizes

    def predict(images: list[Tensor]) -> Predictions:
        return _read_lines(model, images, decode=decode, beam_size=options.beam)

    def refuse(image: Tensor) -> str | None:
        most = MOST_TIMES_AS_WIDE * int(model.calibration.widest)
        local = model.decoder is None and getattr(model.encoder, "recurrent", None) is None  # each column by itself
        if options.any_width or local or not most or image.shape[-1] <= most:
            return None
        return (
            f"image is {image.shape[-1]} pixels wide at height {image.shape[-2]}, and the reader was tried on lines of "
            f"up to {int(model.calibration.widest)}: part it, or say --any-width"
        )

    if options.page:
        return _answer(kind, options, _lines_of_pages(paths, loader, predict, refuse))
    return _answer(kind, options, _items(kind, paths, loader, predict, refuse))


def _lines_of_pages(
    paths: list[str],
    loader: Any,
    predict: Callable[[list[Tensor]], Predictions],
    refuse: Callable[[Tensor], str | None],
) -> Iterator[_Item]:
    """Each line of each page, from the top."""
    if not hasattr(loader, "load_page"):
        raise UsageError("read: --page needs a task of lines that cuts pages, such as TextLines: read lines one by one")
    for path in paths:
        try:
            boxes, images, problem = loader.load_page(path)
        except ImportError as error:
            raise UsageError(f"read: --page: {error}") from error
        if problem is not None:
            yield _Item(path, problem)
        for start in range(0, len(images), AT_ONCE):
            group = images[start : start + AT_ONCE]
            for n, (prediction, padded) in enumerate(predict(group), start=start):
                place = {"line": n + 1, "box": list(boxes[n])}
                yield _Item(path, refuse(images[n]), images[n], prediction, padded, place)


def _way(model: TextReader) -> str:
    """Both together, where the reader has both, and its columns were taught by whole lines in their order."""
    both = model.ctc is not None and model.decoder is not None and model.column_loss == "ctc"
    return "joint" if both else model.decode


def describe(options: argparse.Namespace) -> int:
    """``memnets describe``: captions of images."""

    def said(caption: Any) -> Record:
        confidence = round(caption.confidence, 6)
        return {"caption": " ".join(caption.words), "words": list(caption.words), "confidence": confidence}

    def draw(image: Tensor, caption: Any, padded_width: int) -> Any:
        return viz.caption_figure(image, caption)

    def unpadded(batch: Any) -> list[Tensor]:
        return list(batch.images)

    columns = ["image", "caption", "confidence", "error"]
    kind = _Kind("describe", "read", Captioner, TextReader, "describes pictures", columns, said, draw, unpadded)
    paths = _paths(options)
    model, loader = _load(kind, options)

    def predict(images: list[Tensor]) -> Predictions:
        captions = model.describe(torch.stack(images), beam_size=options.beam)
        return [(caption, images[0].shape[-1]) for caption in captions]

    return _answer(kind, options, _items(kind, paths, loader, predict, lambda image: None))


def _paths(options: argparse.Namespace) -> list[str]:
    if not options.images and not options.list:
        raise UsageError(f"{options.command}: there is nothing to do: give images, a folder, a pattern, or --list FILE")
    return find_images(options.images, options.list)


def _load(kind: _Kind, options: argparse.Namespace) -> tuple[Any, Any]:
    """A run's model and what loads images for it; UsageError if they are of another kind."""
    _, model, loader = load_reader(options.run_dir, which=options.checkpoint, vouched=options.trust)
    if not isinstance(model, kind.needs):
        other = isinstance(model, kind.elsewhere)
        remedy = f"use `memnets {kind.other}`" if other else f"give a run of a {kind.needs.__name__}"
        raise UsageError(
            f"{kind.command}: {options.run_dir} holds a model of class {type(model).__name__}, and none that "
            f"{kind.does}: {remedy}"
        )
    if loader is None:
        raise UsageError(
            f"{kind.command}: the task of {options.run_dir} cannot load images: make it a memnets_tasks.ImageTask, "
            "which has load_images(paths)"
        )
    return model, loader


def _items(
    kind: _Kind,
    paths: list[str],
    loader: Any,
    predict: Callable[[list[Tensor]], Predictions],
    refuse: Callable[[Tensor], str | None],
) -> Iterator[_Item]:
    """Each file in the order given; images of about one width are predicted together."""
    for start in range(0, len(paths), IN_MEMORY):
        some = paths[start : start + IN_MEMORY]
        loaded = loader.load_images(some)
        found: dict[str, _Item] = {path: _Item(path, problem) for path, problem in loaded.problems.items()}
        images = {} if loaded.batch is None else dict(zip(loaded.paths, kind.unpadded(loaded.batch)))
        for path, image in list(images.items()):
            if (problem := refuse(image)) is not None:
                found[path] = _Item(path, problem)
                del images[path]
        by_width = sorted(images, key=lambda path: images[path].shape[-1])
        for first in range(0, len(by_width), AT_ONCE):
            group = by_width[first : first + AT_ONCE]
            for path, (prediction, padded) in zip(group, predict([images[path] for path in group])):
                found[path] = _Item(path, None, images[path], prediction, padded)
        yield from (found[path] for path in some)


def _read_lines(model: TextReader, images: list[Tensor], **settings: Any) -> Predictions:
    """Readings of lines; one that is unsure is read as its negative too, and the surer of the two is taken."""
    lines = [_Line(reading, False) for reading in read_images(model, images, **settings)]
    unsure = [n for n, line in enumerate(lines) if line.confidence < UNSURE]
    if unsure:
        for n, reading in zip(unsure, read_images(model, [1 - images[n] for n in unsure], **settings)):
            if reading.confidence > lines[n].confidence:
                lines[n] = _Line(reading, True)
    widest = max(image.shape[-1] for image in images)
    return [(line, widest) for line in lines]


def read_images(model: TextReader, images: Sequence[Tensor], **settings: Any) -> list[Any]:
    """Readings of lines (channels, H, w), each of its own width."""
    widths = [image.shape[-1] for image in images]
    padded = torch.stack([F.pad(image, (0, max(widths) - width)) for image, width in zip(images, widths)])
    return model.read(padded, torch.tensor(widths), **settings)


def _answer(kind: _Kind, options: argparse.Namespace, items: Iterator[_Item]) -> int:
    """Print and draw each; the exit status is 1 where an image could not be read."""
    figures = _figures(kind, options)
    writer = writer_for(options.format, kind.columns[1], kind.columns)
    failed, taken, count = False, set(), 0
    for count, item in enumerate(items, start=1):
        record, name = _record(kind, options, item), escaped(item.path)
        if "error" in record:
            failed = True
            print(f"memnets: error: {kind.command}: {name}: {escaped(record['error'])}", file=sys.stderr)
        elif record.get("read_to", 1) < LEFT_UNREAD:
            print(f"memnets: warning: {kind.command}: {name}: read to {record['read_to']:.0%} of its width",
                  file=sys.stderr)  # fmt: skip
        if figures is not None and item.prediction is not None:
            path = figures / f"{_free_name(Path(item.path).stem, taken)}.png"
            record["figure"] = str(_save(kind, kind.draw(item.image, item.prediction, item.padded_width), path))
        writer.add(record)
        _progress(options, count)
    _finish(writer, figures, bool(taken))
    return int(failed)


def _finish(writer: Writer, figures: Path | None, drawn: bool) -> None:
    writer.close()
    if drawn:
        print(f"figures  {figures}", file=sys.stderr)


def _record(kind: _Kind, options: argparse.Namespace, item: _Item) -> Record:
    """What is said of an image."""
    record: Record = {"image": item.path, **(item.place or {})}
    if item.problem is not None:
        return record | {"error": " ".join(item.problem.split())}
    record |= kind.said(item.prediction)
    if record["confidence"] < options.min_confidence:
        record["error"] = f"confidence {record['confidence']:.3f} is below {options.min_confidence:g}"
    return record


def _progress(options: argparse.Namespace, count: int) -> None:
    """How many are done, on a terminal that shows nothing else meanwhile."""
    if sys.stderr.isatty() and not sys.stdout.isatty() and count % AT_ONCE == 0:
        print(f"\r{count} images", end="", file=sys.stderr, flush=True)


def _figures(kind: _Kind, options: argparse.Namespace) -> Path | None:
    """Where figures go."""
    if options.figures is None:
        return None
    folder = Path(options.figures)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{kind.command}: --figures is {folder}, which is a file: give a folder")
    return folder


def _free_name(stem: str, taken: set[str]) -> str:
    """The name of a figure, with a number after it where two images have the same."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name


def _save(kind: _Kind, figure: Any, path: Path) -> Path:
    try:
        return viz.save_figure(figure, path)
    except OSError as error:
        raise UsageError(
            f"{kind.command}: no figure can be written to {path.parent} ({error.strerror}): give another folder with "
            "--figures"
        ) from error
