"""Image files that a user names, as a batch of the kind that a model was trained on."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memnets.base.regular_files import UnusableFile, read_regular
from memnets_tasks.base import LoadedImages
from memnets_tasks.images.batches import SceneBatch, TextLineBatch
from memnets_tasks.images.page_segments import cut_lines
from memnets_tasks.images.pictures import (
    MAX_BYTES,
    UnreadableImage,
    check_ink,
    colour_square,
    grey_line,
    grey_page,
    png,
)

MOST_UPRIGHT = 5
"""A single "1" or "l" is up to some four times as tall as wide."""

MOST_STACKED = 3
"""Parts of a single sign above each other, with blank rows between, as in a colon or "i" or three dots."""

Ink = Literal["light", "dark", "any"]
"""Whether a task's ink is lighter than its paper, darker, or now one, now the other."""


class LineLoader(NamedTuple):
    """Loads images of single lines: in grey, at a height, their aspect kept, what is transparent as paper.

    A blank image, one that is ``MOST_UPRIGHT`` times as tall as wide, and a taller than wide one with more than
    ``MOST_STACKED`` signs above each other, as text that runs down the page, are no lines, and said to be none.
    An image is taken for dark ink on light paper where its median is lighter than the middle grey, and inverted where
    that is not as ``ink`` says. Blank columns at either end are cut to ``margin``: a reader that was always shown
    narrow ones takes wide ones for characters. Where ink is lower than two thirds of ``filled``, blank rows above and
    below are cut until it fills that.

    Attributes:
        height: Rows, in pixels.
        max_width: Widest image taken, in pixels at that height.
        ink: Whether ink is "light", "dark", or "any" of the two.
        margin: Most blank columns kept at either end, in heights; None cuts nothing.
        filled: Share of the rows that ink takes, where every line's does, as a line of digits; None cuts nothing.
    """

    height: int
    max_width: int = 4096
    ink: Ink = "any"
    margin: float | None = None
    filled: float | None = None

    def load_images(self, paths: Sequence[str]) -> LoadedImages:
        """A ``TextLineBatch`` of those files that can be read, and the problems of the others."""
        return _load(paths, self._decode, lambda images: TextLineBatch(*pad_lines(images), *_no_texts(len(images))))

    def _decode(self, data: bytes) -> npt.NDArray[np.uint8]:
        line = self.line(data, look=check_across)
        if len(line) > MOST_UPRIGHT * line.shape[1]:
            times = f"{len(line) / line.shape[1]:.1f} times as tall as wide"
            raise UnreadableImage("image is no line", f"{times}; turn it, or crop it to one line")
        return line

    def load_page(self, path: str) -> tuple[list[tuple[int, ...]], list[Tensor], str | None]:
        """The lines of an image of a whole page, from its top; or why there are none.

        Returns:
            Where each stands (left, top, right, bottom); its image ``(1, height, w)`` from 0 to 1; and the problem.

        Raises:
            ImportError: scikit-image is not installed.
        """
        try:
            page = grey_page(_read(path))
        except UnreadableImage as error:
            return [], [], str(error)
        boxes: list[tuple[int, ...]] = []
        images: list[Tensor] = []
        for box, image in cut_lines(page):
            try:
                line = self.line(png(image))
            except UnreadableImage:
                continue  # of one grey, or too wide
            boxes.append(tuple(box))
            images.append(torch.from_numpy(line.copy())[None].float() / 255)
        return boxes, images, None if boxes else "no line of print was found: crop the page to its text"

    def line(
        self, data: bytes, look: Callable[[npt.NDArray[np.uint8]], None] = lambda image: None
    ) -> npt.NDArray[np.uint8]:
        """A line ``(height, w)`` of an image file; raises UnreadableImage where there is none in it.

        Args:
            data: the file.
            look: may raise that as well, of the whole image in grey, at its own size.
        """

        def crop(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
            look(image)
            return image if self.filled is None else cut_blank_rows(image, self.filled)

        line = check_ink(grey_line(data, self.height, self.max_width, crop))
        light_paper = bool(np.median(line) > 127)
        line = 255 - line if light_paper == (self.ink == "light") and self.ink != "any" else line
        return line if self.margin is None else cut_blank_ends(line, round(self.margin * self.height))


class PictureLoader(NamedTuple):
    """Loads pictures in colour: their middle squares, what is transparent as paper.

    Attributes:
        size: Rows and columns, in pixels.
    """

    size: int

    def load_images(self, paths: Sequence[str]) -> LoadedImages:
        """A ``SceneBatch`` of those files that can be read, and the problems of the others."""

        def batch(images: list[npt.NDArray[np.uint8]]) -> SceneBatch:
            return SceneBatch(stack_pictures(images), ((),) * len(images), ({},) * len(images))

        return _load(paths, lambda data: colour_square(data, self.size), batch)


def with_defaults(task: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a class would be made with: those given, and its defaults."""
    parameters = inspect.signature(task).parameters
    return {name: parameter.default for name, parameter in parameters.items()} | dict(settings)


def cut_blank_ends(line: npt.NDArray[np.uint8], most: int) -> npt.NDArray[np.uint8]:
    """A line ``(H, w)`` with at most ``most`` blank columns at either end, and at least one column."""
    first, end = _inked(line, 1) or (most, most)
    return line[:, max(0, first - most) : max(1, end + most)]


def cut_blank_rows(line: npt.NDArray[np.uint8], filled: float) -> npt.NDArray[np.uint8]:
    """A line ``(h, w)`` whose ink fills a share of its rows, with blank ones cut where it fills not two thirds of that.

    Lines of the task itself, the lowest of which are above that, stay as they are.
    """
    first, end = _inked(line, 0) or (0, len(line))
    if end - first >= 2 / 3 * filled * len(line):
        return line
    spare = round((end - first) * (1 / filled - 1) / 2)
    return line[max(0, first - spare) : end + spare]


def check_across(image: npt.NDArray[np.uint8]) -> None:
    """Raise UnreadableImage where text runs down an image and not across: several signs stand above each other."""
    if len(image) <= 1.5 * image.shape[1]:
        return
    rows = _inked_at(image, 0)
    stacked = int((rows[1:] > rows[:-1]).sum()) + int(rows[0])
    if stacked > MOST_STACKED:
        raise UnreadableImage(
            "image is no line", f"{stacked} signs stand above each other; turn it, or crop it to one line"
        )


def _inked(line: npt.NDArray[np.uint8], axis: int) -> tuple[int, int] | None:
    """First and one past the last of the rows (0) or columns (1) that have ink; None where none has."""
    ink = np.flatnonzero(_inked_at(line, axis))
    return (int(ink[0]), int(ink[-1]) + 1) if len(ink) else None


def _inked_at(line: npt.NDArray[np.uint8], axis: int) -> npt.NDArray[np.bool_]:
    """Which rows (0) or columns (1) have ink.

    The paper's grey is the median, and ink is what is farther from it than a quarter of the farthest of all.
    """
    distance = np.abs(line.astype(np.int16) - np.int16(np.median(line))).max(axis=1 - axis)
    return distance > distance.max() / 4


def pad_lines(images: Sequence[npt.NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Lines ``(H, w)`` of one height as ``images (B, 1, H, W)`` from 0 to 1, padded with 0, and ``widths (B,)``."""
    widths = [image.shape[1] for image in images]
    padded = np.zeros((len(images), 1, images[0].shape[0], max(widths)), np.uint8)
    for row, image in zip(padded, images):
        row[0, :, : image.shape[1]] = image
    return torch.from_numpy(padded).float() / 255, torch.tensor(widths, dtype=torch.int64)


def stack_pictures(images: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
    """Pictures ``(S, S, 3)`` as ``(B, 3, S, S)`` from 0 to 1."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def _no_texts(count: int) -> tuple[tuple[str, ...], Tensor]:
    return ("",) * count, torch.zeros(count, 0, 2)


def _load(
    paths: Sequence[str],
    decode: Callable[[bytes], npt.NDArray[np.uint8]],
    make_batch: Callable[[list[npt.NDArray[np.uint8]]], Any],
) -> LoadedImages:
    images: list[npt.NDArray[np.uint8]] = []
    kept: list[str] = []
    problems: dict[str, str] = {}
    for path in paths:
        try:
            images.append(decode(_read(path)))
            kept.append(path)
        except UnreadableImage as error:
            problems[path] = str(error)
    return LoadedImages(tuple(kept), make_batch(images) if images else None, problems)


def _read(path: str) -> bytes:
    file = Path(path)
    try:
        return read_regular(file, MAX_BYTES)
    except UnusableFile as error:
        if file.is_dir():
            raise UnreadableImage("image is no regular file", "give the images in it, as DIR/*.png") from error
        raise UnreadableImage.of_file(error) from error
