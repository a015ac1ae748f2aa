"""The scoring that all reading and all describing tasks share."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from memnets_tasks.base import ImageTask, LoadedImages
from memnets_tasks.images import metrics
from memnets_tasks.images.batches import SceneBatch, TextLineBatch
from memnets_tasks.images.loading import LineLoader, PictureLoader


def _check_predictions(predictions: Sequence[Any], count: int) -> None:
    if len(predictions) != count:
        raise ValueError(f"there are {len(predictions)} predictions for a batch of {count}; give one for each image")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _as_tensors(scores: dict[str, float]) -> dict[str, Tensor]:
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in scores.items()}


class TextTask(ImageTask):
    """Reading lines. A prediction has ``text`` and ``weights``, ``(characters, columns)`` or None.

    Abstract: a subclass sets the attributes and defines ``sample``.

    Attributes:
        charset: Every character that may occur, each once.
        height: Rows of the images, in pixels.
        loading: How ``load_images`` loads image files; None where no more than the height is known.
    """

    charset: str
    height: int
    loading: LineLoader | None = None
    length_unit = "characters"
    threshold = 0.02

    def load_images(self, paths: Sequence[str]) -> LoadedImages:
        """Image files of single lines as ``LineLoader`` makes them: at the task's height, with its paper and margins.

        Args:
            paths: The files, each a PNG, JPEG, PPM, PGM, BMP, GIF, TIFF or WebP.

        Returns:
            A ``TextLineBatch`` of those that could be read, and the problems of the others.
        """
        return (self.loading or LineLoader(self.height)).load_images(paths)

    def text(self, batch: Any, index: int) -> str:
        """What one line says."""
        return batch.texts[index]

    def loss_weight(self, batch: Any) -> Tensor:
        """What the loss of a batch counts among others: its characters and ends, as attention's is a mean over them.

        That of the columns is a mean over characters alone: with it, shares are only about right.
        """
        return torch.tensor(sum(len(text) + 1 for text in batch.texts))

    def errors(self, predictions: Sequence[Any], batch: TextLineBatch) -> Tensor:
        """Edit distance of each line divided by the characters written: ``(B,)``, float32, not bounded by 1.

        Raises:
            ValueError: If there is not one prediction for each line.
        """
        _check_predictions(predictions, len(batch.texts))
        rates = [
            metrics.edit_distance(prediction.text, text) / max(1, len(text))
            for prediction, text in zip(predictions, batch.texts)
        ]
        return torch.tensor(rates, dtype=torch.float32)

    def edits(self, reading: str, text: str) -> int:
        """Edits from what was read to what is said."""
        return metrics.edit_distance(reading, text)

    def line_scores(self, readings: Sequence[str], texts: Sequence[str]) -> dict[str, float]:
        """Scores of readings of lines: of characters, words and whole lines, in their case and in any."""
        found = {}
        for name, change in (("", str), (", any case", str.casefold)):
            pair = [change(reading) for reading in readings], [change(text) for text in texts]
            found[f"character_error_rate{name}"] = metrics.character_error_rate(*pair)
            found[f"word_error_rate{name}"] = metrics.word_error_rate(*pair)
            found[f"line_accuracy{name}"] = metrics.word_accuracy(*pair)
        return found

    def corpus_scores(self, pairs: Iterable[tuple[Sequence[Any], TextLineBatch]]) -> dict[str, Tensor]:
        """Score a corpus of lines: see ``ImageTask.corpus_scores``.

        Returns:
            ``character_error_rate`` (all edits over all characters), ``word_accuracy`` (share of lines without an
            error), ``one_minus_ned``, and, where attention and boxes are known, ``alignment_error`` (mean distance
            between attention's centre and a correctly read character's, in widths of a glyph).

        Raises:
            ValueError: If there is no pair, or predictions are of another number than their batch.
        """
        readings: list[str] = []
        texts: list[str] = []
        distances: list[float] = []
        for predictions, batch in pairs:
            _check_predictions(predictions, len(batch.texts))
            readings += [prediction.text for prediction in predictions]
            texts += batch.texts
            for prediction, text, boxes in zip(predictions, batch.texts, batch.boxes):
                if prediction.weights is not None:
                    width = batch.images.shape[-1]
                    distances += metrics.alignment_errors(prediction.text, text, prediction.weights, boxes, width)
        scores = {
            "character_error_rate": metrics.character_error_rate(readings, texts),
            "word_accuracy": metrics.word_accuracy(readings, texts),
            "one_minus_ned": metrics.one_minus_ned(readings, texts),
        }
        if distances:
            scores["alignment_error"] = _mean(distances)
        return _as_tensors(scores)


class SceneTask(ImageTask):
    """Describing pictures. A prediction has ``words`` and ``weights``, ``(words, rows, columns)`` or None.

    Abstract: a subclass sets the attributes and defines ``sample``.

    Attributes:
        vocabulary: Every word a model may say, without special symbols.
        size: Rows and columns of the images, in pixels.
    """

    vocabulary: tuple[str, ...]
    size: int
    threshold = 0.05

    def load_images(self, paths: Sequence[str]) -> LoadedImages:
        """Image files in colour: their middle square, at the task's size, what is transparent as paper.

        Args:
            paths: The files, each a PNG, JPEG, PPM, PGM, BMP, GIF, TIFF or WebP.

        Returns:
            A ``SceneBatch`` of those that could be read, and the problems of the others.
        """
        return PictureLoader(self.size).load_images(paths)

    def text(self, batch: Any, index: int) -> str:
        """What people, or a grammar, say of one picture, a line each."""
        return "\n".join(batch.captions[index])

    def errors(self, predictions: Sequence[Any], batch: SceneBatch) -> Tensor:
        """0 for each caption that is one of its image's references, else 1: ``(B,)``, float32.

        Raises:
            ValueError: If there is not one prediction for each image.
        """
        _check_predictions(predictions, len(batch.captions))
        wrong = [" ".join(p.words) not in captions for p, captions in zip(predictions, batch.captions)]
        return torch.tensor(wrong, dtype=torch.float32)

    def corpus_scores(self, pairs: Iterable[tuple[Sequence[Any], SceneBatch]]) -> dict[str, Tensor]:
        """Score a corpus of captions: see ``ImageTask.corpus_scores``.

        Returns:
            ``bleu1`` to ``bleu4``, ``cider`` (CIDEr-D), ``exact_match`` (share of captions that are a reference), and,
            where attention and boxes are known, ``pointing_accuracy`` (share of the words with a box at which
            attention peaks within it).

        Raises:
            ValueError: If there is no pair, or predictions are of another number than their batch.
        """
        captions: list[tuple[str, ...]] = []
        references: list[tuple[str, ...]] = []
        hits: list[bool] = []
        for predictions, batch in pairs:
            _check_predictions(predictions, len(batch.captions))
            captions += [tuple(prediction.words) for prediction in predictions]
            references += batch.captions
            height, width = batch.images.shape[-2:]
            for prediction, boxes in zip(predictions, batch.boxes):
                if prediction.weights is not None:
                    hits += metrics.pointing_hits(prediction.words, prediction.weights, boxes, (height, width))
        scores = {f"bleu{n}": value for n, value in enumerate(metrics.bleu(captions, references), start=1)}
        scores["cider"] = metrics.cider(captions, references)
        scores["exact_match"] = _mean([float(" ".join(c) in r) for c, r in zip(captions, references)])
        if hits:
            scores["pointing_accuracy"] = _mean([float(hit) for hit in hits])
        return _as_tensors(scores)
