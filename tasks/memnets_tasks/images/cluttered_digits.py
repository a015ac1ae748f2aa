"""Handwritten digits anywhere in an image, among pieces of others."""

from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import Batch, Splits
from memnets_tasks.images.checks import check_not_negative, check_split
from memnets_tasks.images.distort import warp
from memnets_tasks.images.handwriting import PARTS, Handwriting, digit_figure, handwriting, other_parts
from memnets_tasks.token_task import TokenTask


@final
class ClutteredDigits(TokenTask):
    """Name the digits of an image from left to right, one at each step; the image is the input of each step.

    Digits lie anywhere, none over another; around them lie pieces of digits. The length is the number of digits.

    Args:
        size: Rows and columns of an image.
        digit_size: Rows and columns of a digit.
        clutter: Pieces.
        clutter_size: Rows and columns of a piece.
        distortion: Strength of the turning, shearing, resizing and bending of each digit in training, as of
            ``DigitLines``; 0 leaves them as they are.
        folder: Of MNIST's four files (``train-images-idx3-ubyte`` and so on, packed or not); None for scikit-learn's
            digits, of which no writer is in two parts.
        split: "train", "validation" or "test".
        min_length: Fewest digits in training.
        max_length: Most digits in training.
        evaluation_lengths: Digits of the images that are tested on.

    Raises:
        ValueError: A number is out of range, or a file is damaged.
        ImportError: scikit-learn is needed, and not installed.

    Source:
        Mnih et al. 2014, arXiv:1406.6247, section 4.1; Ba et al. 2015, arXiv:1412.7755, section 4.1.
    """

    threshold = 0.02
    path_arguments: ClassVar[tuple[str, ...]] = ("folder",)

    def __init__(
        self,
        *,
        size: int = 48,
        digit_size: int = 20,
        clutter: int = 4,
        clutter_size: int = 8,
        distortion: float = 0.0,
        folder: str | None = None,
        split: Literal["train", "validation", "test"] = "train",
        min_length: int = 1,
        max_length: int = 1,
        evaluation_lengths: tuple[int, ...] = (1,),
    ) -> None:
        check_at_least("digit_size", digit_size, 8)
        check_at_least("size", size, digit_size)
        check_at_least("clutter", clutter, 0)
        check_at_least("clutter_size", clutter_size, 1)
        if clutter_size > digit_size:
            raise ValueError(f"clutter_size is {clutter_size}; give at most {digit_size}, the size of a digit")
        check_not_negative("distortion", distortion)
        check_split(split, PARTS)
        self.size, self.digit_size, self.clutter, self.clutter_size = size, digit_size, clutter, clutter_size
        self.distortion, self.folder, self.split = distortion, folder, split
        self.input_size, self.output_size = size * size, 10
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="digits")
        self._check_room(max(max_length, *self.evaluation_lengths))
        self._digits(split)  # what is wrong with the files is known now, and not at the first step

    def _digits(self, split: str) -> Handwriting:
        return handwriting("ClutteredDigits", self.digit_size, split, self.folder)

    def _check_room(self, count: int) -> None:
        if count * self.digit_size > self.size:
            raise ValueError(
                f"{count} digits of {self.digit_size} pixels do not fit side by side into {self.size}; give at most "
                f"{self.size // self.digit_size}"
            )

    def splits(self) -> Splits:
        """Images of digits by other writers, as they are."""
        if self.split != "train":
            return Splits(self, self)
        return Splits(*other_parts(self, distortion=0.0))

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw images; see :class:`memnets_tasks.Task`."""
        device, side = generator.device, self.digit_size
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        most = int(lengths.max())
        self._check_room(most)
        mask = torch.arange(most, device=device) < lengths.unsqueeze(1)  # (B, T)

        def draw(count: int, high: int | Tensor) -> Tensor:
            share = torch.rand(batch_size, count, generator=generator, device=device, dtype=torch.float64)
            return (share * high).long()

        data = self._digits(self.split)
        images, values = data.images.to(device), data.values.to(device)
        chosen, pieces = draw(most, len(values)), draw(self.clutter, len(values))
        room = (self.size - side * lengths + 1).unsqueeze(1)  # (B, 1), places that digits side by side leave
        left = draw(most, room).masked_fill(~mask, self.size).sort(1).values  # the first ones are the digits
        left = left.clamp_max(self.size) + side * torch.arange(most, device=device)
        top = draw(most, self.size - side + 1)
        digits = images[chosen]  # (B, T, s, s)
        if self.distortion:
            widths = torch.full((batch_size * most,), side, device=device)
            digits = warp(digits.flatten(0, 1), widths, self.distortion, generator).view_as(digits)
        canvas = images.new_zeros(batch_size, self.size * self.size)
        _lay(canvas, digits * mask[:, :, None, None], left.clamp_max(self.size - side), top, self.size)
        if self.clutter:
            cut, small = side - self.clutter_size + 1, self.clutter_size
            rows = draw(self.clutter, cut)[..., None] + torch.arange(small, device=device)  # (B, P, c)
            columns = draw(self.clutter, cut)[..., None] + torch.arange(small, device=device)
            parts = images[pieces[..., None, None], rows[..., :, None], columns[..., None, :]]  # (B, P, c, c)
            free = self.size - small + 1
            _lay(canvas, parts, draw(self.clutter, free), draw(self.clutter, free), self.size)
        inputs = canvas.unsqueeze(1) * mask.unsqueeze(-1)  # (B, T, I)
        return Batch(inputs, values[chosen] * mask, mask, lengths)

    def text(self, batch: Batch, index: int) -> str:
        """The digits that are wanted."""
        wanted = " ".join(map(str, batch.targets[index][batch.mask[index]].tolist()))
        return f"given an image of {self.size} x {self.size} pixels; wanted {wanted}"

    def figures(self, batch: Batch, predictions: Tensor, trace: Any) -> dict[str, Any]:
        """``digits``: the image, with what is wanted and what was given."""
        del trace
        return {"digits": digit_figure(batch, predictions, self.size, "Digits in clutter")}


def _lay(canvas: Tensor, pieces: Tensor, left: Tensor, top: Tensor, width: int) -> None:
    """Lay pieces ``(B, P, s, s)`` on a canvas ``(B, rows * width)`` at their places ``(B, P)``; the lighter shows."""
    numbers = torch.arange(pieces.shape[-1], device=canvas.device)
    places = (top[..., None, None] + numbers[:, None]) * width + left[..., None, None] + numbers  # (B, P, s, s)
    canvas.scatter_reduce_(1, places.flatten(1), pieces.flatten(1), reduce="amax")
