"""What a task of images hands to a model: lines of text, and scenes with captions."""

import dataclasses
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from memnets_tasks.base import Items

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels, from the top left corner of the image."""


@dataclasses.dataclass(frozen=True, eq=False)
class TextLineBatch(Items):
    """Images of single lines of text, padded on the right with zeros to the widest of them.

    Attributes:
        images: ``(B, 1, H, W)``, float32 from 0 (black) to 1; paper and ink may be any grey.
        widths: ``(B,)``, int64; the pixels of each line that are not padding.
        texts: B strings, in Unicode normal form C.
        boxes: ``(B, L, 2)``, float32; left and right edge of a box around each character's ink, in pixels (a space:
            of the room it takes). Slant and perspective bend the box with the ink, so it may be a little wide. NaN
            where unknown and past the end of a text. L is 0 where no box of the batch is known.
    """

    images: Tensor
    widths: Tensor
    texts: tuple[str, ...]
    boxes: Tensor


def join_lines(batch: TextLineBatch, counts: Sequence[int], separator: str) -> TextLineBatch:
    """Put lines side by side.

    Args:
        batch: The lines, those that become one following each other.
        counts: Of how many lines each new one is made; their sum is the number of lines.
        separator: What is written between two; the box of each of its characters is the room between their inks.

    Returns:
        ``len(counts)`` lines.
    """
    ends = list(itertools.accumulate(counts))
    groups = [range(end - count, end) for end, count in zip(ends, counts)]
    texts = tuple(separator.join(batch.texts[n] for n in group) for group in groups)
    widths = torch.stack([batch.widths[list(group)].sum() for group in groups])
    images = batch.images.new_zeros(len(groups), *batch.images.shape[1:3], int(widths.max()))
    boxes = batch.boxes.new_full((len(groups), max(map(len, texts)), 2), torch.nan)
    for image, row, group in zip(images, boxes, groups):
        x = character = 0
        for n in group:
            width, length = int(batch.widths[n]), len(batch.texts[n])
            image[:, :, x : x + width] = batch.images[n, :, :, :width]
            if separator and x:
                room = torch.stack([row[character - 1, 1], batch.boxes[n, 0, 0] + x])
                row[character : character + len(separator)] = room
                character += len(separator)
            row[character : character + length] = batch.boxes[n, :length] + x
            x, character = x + width, character + length
    return TextLineBatch(images, widths, texts, boxes)


@dataclasses.dataclass(frozen=True, eq=False)
class SceneBatch(Items):
    """Pictures with the captions that people, or a grammar, gave them.

    Attributes:
        images: ``(B, 3, H, W)``, float32 from 0 to 1, red, green, blue.
        captions: For each image one or more reference captions: lower-case words, each parted by one space.
        boxes: For each image the box of what a word names, by word, where known: x0, y0, x1, y1 in pixels.
        mask: ``(B, h, w)``, bool; True at the places of the encoder's grid that are not padding, as where features
            computed beforehand are of several sizes. None where all are.
    """

    images: Tensor
    captions: tuple[tuple[str, ...], ...]
    boxes: tuple[dict[str, Box], ...]
    mask: Tensor | None = None
