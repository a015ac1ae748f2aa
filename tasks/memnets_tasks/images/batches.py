"""What a task of images hands to a model: lines of text, and scenes with captions."""

from typing import NamedTuple

import torch
from torch import Tensor

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels, from the top left corner of the image."""


class TextLineBatch(NamedTuple):
    """Images of single lines of text, padded on the right with zeros to the widest of them.

    Attributes:
        images: `(B, 1, H, W)`, float32 from 0 (black) to 1; paper and ink may be any grey.
        widths: `(B,)`, int64; the pixels of each line that are not padding.
        texts: B strings, in Unicode normal form C.
        boxes: `(B, L, 2)`, float32; left and right edge of a box around each character's ink, in pixels (a space:
            of the room it takes). Slant and perspective bend the box with the ink, so it may be a little wide. NaN
            where unknown and past the end of a text. L is 0 where no box of the batch is known.
    """

    images: Tensor
    widths: Tensor
    texts: tuple[str, ...]
    boxes: Tensor

    def to(self, device: torch.device | str) -> "TextLineBatch":
        """The same batch with every tensor on `device`."""
        return self._replace(images=self.images.to(device), widths=self.widths.to(device), boxes=self.boxes.to(device))


class SceneBatch(NamedTuple):
    """Pictures with the captions that people, or a grammar, gave them.

    Attributes:
        images: `(B, 3, H, W)`, float32 from 0 to 1, red, green, blue.
        captions: For each image one or more reference captions: lower-case words, each parted by one space.
        boxes: For each image the box of what a word names, by word, where known: x0, y0, x1, y1 in pixels.
    """

    images: Tensor
    captions: tuple[tuple[str, ...], ...]
    boxes: tuple[dict[str, Box], ...]

    def to(self, device: torch.device | str) -> "SceneBatch":
        """The same batch with its images on `device`."""
        return self._replace(images=self.images.to(device))
