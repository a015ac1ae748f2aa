"""Image files through a trained model: read, describe."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from .. import viz
from ..base.errors import UsageError
from ..base.files import leads_out
from ..models.captioner import Captioner
from ..models.text_reader import TextReader
from .load import load_reader
from .run_dir import RunDir

AT_ONCE = 16
"""Images in memory at a time."""

Predict = Callable[[Any, Any], list[Any]]
"""A model and a batch to a prediction for each image."""


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
    said: Callable[[Any], dict[str, Any]]
    """A prediction as JSON; the first value is that of the printed line."""
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


def read(options: argparse.Namespace) -> int:
    """``memnets read``: the text of images of lines."""

    def draw(image: Tensor, reading: Any, padded_width: int) -> Any:
        return viz.reading_figure(image, reading, padded_width=padded_width)

    def unpadded(batch: Any) -> list[Tensor]:
        return [image[..., :width] for image, width in zip(batch.images, batch.widths.tolist())]

    def said(reading: Any) -> dict[str, Any]:
        return {"text": reading.text}

    kind = _Kind("read", "describe", TextReader, Captioner, "reads lines", said, draw, unpadded)
    run, model, loader = _load(kind, options)
    if options.decode:
        try:
            model.check_decode(options.decode)
        except ValueError as error:
            raise UsageError(f"read: --{error}") from error

    def predict(reader: Any, batch: Any) -> list[Any]:
        return reader.read(batch.images, batch.widths, decode=options.decode, beam_size=options.beam)

    return _answer(kind, options, _figures(kind, options, run), _items(kind, options.images, model, loader, predict))


def describe(options: argparse.Namespace) -> int:
    """``memnets describe``: captions of images."""

    def said(caption: Any) -> dict[str, Any]:
        return {"caption": " ".join(caption.words), "words": list(caption.words)}

    def predict(captioner: Any, batch: Any) -> list[Any]:
        return captioner.describe(batch.images, beam_size=options.beam)

    def draw(image: Tensor, caption: Any, padded_width: int) -> Any:
        return viz.caption_figure(image, caption)

    def unpadded(batch: Any) -> list[Tensor]:
        return list(batch.images)

    kind = _Kind("describe", "read", Captioner, TextReader, "describes pictures", said, draw, unpadded)
    run, model, loader = _load(kind, options)
    return _answer(kind, options, _figures(kind, options, run), _items(kind, options.images, model, loader, predict))


def _load(kind: _Kind, options: argparse.Namespace) -> tuple[RunDir, Any, Any]:
    """The run with its model and what loads images for it; UsageError if they are of another kind."""
    run, model, loader = load_reader(options.run_dir, which=options.checkpoint, vouched=options.trust)
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
    return run, model, loader


def _figures(kind: _Kind, options: argparse.Namespace, run: RunDir) -> Path | None:
    """Where figures go."""
    if options.no_figures:
        return None
    folder = Path(options.figures or run.figures / kind.command)
    if not options.figures and leads_out(folder, run.path):
        raise UsageError(f"{kind.command}: {folder} is a link out of the run's directory: give a folder with --figures")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{kind.command}: --figures is {folder}, which is a file: give a folder")
    return folder


def _items(kind: _Kind, paths: list[str], model: Any, loader: Any, predict: Predict) -> Iterator[_Item]:
    """Each file in the order given."""
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start : start + AT_ONCE]
        loaded = loader.load_images(some)
        found: dict[str, _Item] = {path: _Item(path, problem) for path, problem in loaded.problems.items()}
        if loaded.batch is not None:
            predictions, padded = predict(model, loaded.batch), loaded.batch.images.shape[-1]
            for path, image, prediction in zip(loaded.paths, kind.unpadded(loaded.batch), predictions):
                found[path] = _Item(path, None, image, prediction, padded)
        yield from (found[path] for path in some)


def _answer(kind: _Kind, options: argparse.Namespace, figures: Path | None, items: Iterator[_Item]) -> int:
    """Print and draw each; the exit status is 1 where an image could not be read."""
    answers: list[dict[str, Any]] = []
    failed = False
    taken: set[str] = set()
    for item in items:
        if item.problem is not None:
            failed = True
            print(f"memnets: error: {kind.command}: {item.path}: {' '.join(item.problem.split())}", file=sys.stderr)
            continue
        said, confidence = kind.said(item.prediction), round(item.prediction.confidence, 6)
        answers.append({"image": item.path, **said, "confidence": confidence})
        if not options.json:
            print(item.path, next(iter(said.values())), f"{confidence:.3f}", sep="\t", flush=True)
        if figures is not None:
            path = figures / f"{_free_name(Path(item.path).stem, taken)}.png"
            answers[-1]["figure"] = str(_save(kind, kind.draw(item.image, item.prediction, item.padded_width), path))
    if options.json:
        print(_as_json(answers))
    if figures is not None and answers:
        print(f"figures  {figures}", file=sys.stderr)
    return int(failed)


def _as_json(answers: list[dict[str, Any]]) -> str:
    """JSON in characters that standard output has; a name of bytes that are no text is escaped as well."""
    text = json.dumps(answers, indent=2, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(answers, indent=2)
    return text


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
            "--figures, or --no-figures"
        ) from error
