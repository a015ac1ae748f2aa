"""Images of handwritten digits, one each: scikit-learn's, or those of a folder of MNIST's files."""

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets.base.extras import require
from memnets_tasks.base import Batch
from memnets_tasks.images.digit_lines import SPLITS as WRITERS
from memnets_tasks.images.idx import read_idx

TaskT = TypeVar("TaskT")

PARTS = ("train", "validation", "test")
VALIDATION_SHARE = 12
"""Of MNIST's training images the last one in so many are for validation."""


class Handwriting(NamedTuple):
    """Digits of one part: ``images (n, size, size)``, float32 from 0 to 1, ink 1; ``values (n,)``, int64."""

    images: Tensor
    values: Tensor


def handwriting(purpose: str, size: int, part: str, folder: str | None = None) -> Handwriting:
    """The digits of a part, at a size.

    Args:
        purpose: What needs them, for messages.
        size: Side of the images, in pixels; they are enlarged or reduced to it.
        part: "train", "validation" or "test". Of scikit-learn's, whose images come writer after writer, no writer is in
            two parts; see ``DigitLines``.
        folder: Of MNIST's four files, packed or not, or of others in their format; None for scikit-learn's.

    Raises:
        ValueError: If a file is damaged, or the files do not go together.
        ImportError: If scikit-learn is needed, and not installed.
    """
    if folder is not None:
        return _mnist(folder, size, part)
    require("sklearn", purpose=purpose)
    return _digits(size, part)


def other_parts(task: TaskT, **changes: Any) -> tuple[TaskT, TaskT]:
    """A task's validation and test: the same of the digits of another part, with some attributes changed."""
    validation, test = copy.copy(task), copy.copy(task)
    for other, name in zip((validation, test), PARTS[1:]):
        vars(other).update(changes, split=name)
    return validation, test


def digit_figure(batch: Batch, predictions: Tensor, size: int, title: str) -> Any:
    """The images of the first sequence, each with the digit that is wanted, and the one given where it is another."""
    from memnets import viz

    given, wanted = predictions[0].argmax(-1).tolist(), batch.targets[0].tolist()
    titles = [str(w) if g == w else f"{w}, not {g}" for g, w in zip(given, wanted)]
    return viz.film_figure(batch.inputs[0].unflatten(1, (size, -1)), titles, title)


@lru_cache(maxsize=8)
def _digits(size: int, part: str) -> Handwriting:
    from sklearn.datasets import load_digits

    pixels, values = load_digits(return_X_y=True)
    kept = slice(*WRITERS[part])
    images = torch.as_tensor(pixels[kept], dtype=torch.float32).view(-1, 8, 8) / 16
    return Handwriting(_resized(images, size), torch.as_tensor(values[kept], dtype=torch.int64))


@lru_cache(maxsize=4)
def _mnist(folder: str, size: int, part: str) -> Handwriting:
    root, stem = Path(folder).expanduser(), "t10k" if part == "test" else "train"
    images = read_idx(root, f"{stem}-images-idx3-ubyte", 3)
    labels = read_idx(root, f"{stem}-labels-idx1-ubyte", 1).long()
    if len(images) != len(labels):
        raise ValueError(
            f"{folder} has {len(images)} images, but {len(labels)} labels, of {stem}; give files of one set"
        )
    if len(images) < 2 * VALIDATION_SHARE or not images.shape[1] * images.shape[2]:
        raise ValueError(
            f"{folder} has {len(images)} images of {stem}; give at least {2 * VALIDATION_SHARE}, none empty"
        )
    if int(labels.max()) > 9:
        raise ValueError(f"{folder} has the label {int(labels.max())}, but digits are 0 to 9; give files of digits")
    last = len(images) - len(images) // VALIDATION_SHARE
    kept = {"train": slice(0, last), "validation": slice(last, None), "test": slice(None)}[part]
    return Handwriting(_resized(images[kept].float() / 255, size), labels[kept])


def _resized(images: Tensor, size: int) -> Tensor:
    if images.shape[1:] == (size, size):
        return images
    return F.interpolate(
        images.unsqueeze(1), size=(size, size), mode="bilinear", antialias=True, align_corners=False
    ).squeeze(1)
