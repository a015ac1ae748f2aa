"""What a task of images hands to a model: lines of text, and scenes with captions."""

import dataclasses

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
