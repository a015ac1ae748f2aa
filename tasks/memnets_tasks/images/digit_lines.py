"""Lines of handwritten digits, put together from scikit-learn's."""

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets.base.extras import require
from memnets_tasks._checks import check_at_least, check_range, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import Splits
from memnets_tasks.images.base import TextTask
from memnets_tasks.images.batches import TextLineBatch
from memnets_tasks.images.checks import check_not_negative, check_split, in_single_precision
from memnets_tasks.images.distort import cut, distort
from memnets_tasks.images.loading import LineLoader, with_defaults


class Digits(NamedTuple):
    """Handwritten digits, cut to the columns they cover.

    Attributes:
        images: ``(n, size, size)``, float32 from 0 to 1; ink from the first column on, zero past the last.
        widths: ``(n,)``, int64; columns covered.
        values: ``(n,)``, int64, 0 to 9.
    """

    images: Tensor
    widths: Tensor
    values: Tensor


SPLITS = {"train": (0, 1287), "validation": (1287, 1437), "test": (1437, 1797), "train+validation": (0, 1437)}
"""The images of each split, first and one past the last. They come writer after writer, each of whom filled in the
same form of some 130 digits (it can be told by its order): ten writers for training, one and part of another for
validation, the rest of that and two more for testing."""

ORDERS = ("forward", "backward", "twice")


@lru_cache(maxsize=8)
def _digits(size: int, split: str) -> Digits:
    """The images of one split."""
    require("sklearn", purpose="DigitLines")

    from sklearn.datasets import load_digits

    pixels, values = load_digits(return_X_y=True)
    images = torch.as_tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    images = F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False).squeeze(1)
    shifted, widths = cut(images)
    kept = slice(*SPLITS[split])
    return Digits(shifted[kept], widths[kept], torch.as_tensor(values, dtype=torch.int64)[kept])


@final
class DigitLines(TextTask):
    """Read a line of handwritten digits.

    The pixels are those of the 1797 digits of 8 x 8 pixels that scikit-learn ships (Alpaydin & Kaynak 1998,
    "Optical recognition of handwritten digits", UCI), enlarged. Ink is white on black, as the padding is black.
    Test lines are made of images that no training line holds, by writers of whom training holds none.

    Args:
        height: Rows of the images, in pixels.
        jitter: Most rows that a digit is moved up or down; it is drawn ``height - 2 * jitter`` rows high.
        min_spacing: Fewest columns between digits; below 0 they may touch.
        max_spacing: Most columns between digits, and before the first and after the last.
        noise: Standard deviation of the noise of each pixel, where 1 is from black to white.
        distortion: Strength of the turning, shearing, resizing and bending of each digit; 0 leaves them as they are.
        order: What is to be written of a line: "forward", its digits; "backward", from the last to the first; "twice",
            all of them and then all again, so that a reader that does not go back must remember them. The length of
            an item is the digits that are drawn.
        split: "train"; "validation" or "test", lines of images kept from training; "train+validation".
        min_length: Fewest digits in training.
        max_length: Most digits in training.
        evaluation_lengths: Digits at which generalisation is measured.

    Raises:
        ValueError: If an argument is out of range.
        ImportError: If scikit-learn is not installed.
    """

    charset = "0123456789"

    def __init__(
        self,
        *,
        height: int = 16,
        jitter: int = 1,
        min_spacing: int = 0,
        max_spacing: int = 4,
        noise: float = 0.0,
        distortion: float = 0.0,
        order: Literal["forward", "backward", "twice"] = "forward",
        split: Literal["train", "validation", "test", "train+validation"] = "train",
        min_length: int = 1,
        max_length: int = 12,
        evaluation_lengths: tuple[int, ...] = (6, 12, 18, 24, 36),
    ) -> None:
        check_at_least("jitter", jitter, 0)
        check_at_least("height", height, 8 + 2 * jitter)
        check_range("min_spacing", min_spacing, "max_spacing", max_spacing, minimum=-2)
        check_at_least("max_spacing", max_spacing, 0)
        check_not_negative("noise", noise)
        check_not_negative("distortion", distortion)
        if order not in ORDERS:
            raise ValueError(f"order is {order!r}; give one of {', '.join(map(repr, ORDERS))}")
        check_split(split, tuple(SPLITS))
        self.loading = self.loader({"height": height, "jitter": jitter, "max_spacing": max_spacing})
        self.height, self.jitter, self.order, self.split = height, jitter, order, split
        self.noise, self.distortion = noise, distortion
        self.min_spacing, self.max_spacing = min_spacing, max_spacing
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="digits")
        _digits(self._size, split)  # an ImportError now rather than at the first step

    @classmethod
    def loader(cls, settings: Mapping[str, Any]) -> LineLoader:
        """What ``load_images`` is of a task with these settings, made without scikit-learn's digits."""
        known = with_defaults(cls, settings)
        height = known["height"]
        filled = 1 - 2 * known["jitter"] / height
        return LineLoader(height, ink="light", margin=known["max_spacing"] / height, filled=filled)

    def splits(self) -> Splits:
        """The same lines, undistorted, of images that training never shows, nor others by their writers.

        A task that is not for training is its own; so is the validation of one that trains on its images.
        """
        test = self._of("test") if self.split.startswith("train") else self
        validation = self._of("validation") if self.split == "train" else self
        return Splits(validation, test, {} if test is self else {"unseen images": test})

    def _of(self, split: Literal["validation", "test"]) -> "DigitLines":
        other = copy.copy(self)
        other.split, other.distortion = split, 0.0
        return other

    @property
    def _size(self) -> int:
        return self.height - 2 * self.jitter

    @in_single_precision
    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> TextLineBatch:
        """Draw lines of digits, each digit and each image of it as likely as in the data.

        Args:
            batch_size: Number of lines, ``B``.
            length: Digits of each line: one number for all, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch, with the boxes of all digits.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        digits = Digits(*(part.to(device) for part in _digits(self._size, self.split)))
        shape = batch_size, int(lengths.max())

        def draw(low: int, high: int, *more: int) -> Tensor:
            return torch.randint(low, high + 1, (*shape, *more), generator=generator, device=device)

        chosen = draw(0, len(digits.values) - 1)  # (B, L)
        rows = draw(0, 2 * self.jitter)
        gaps = draw(self.min_spacing, self.max_spacing)
        ends = draw(0, self.max_spacing, 2)[:, 0]  # (B, 2), columns before the first and after the last
        present = torch.arange(shape[1], device=device) < lengths.unsqueeze(1)  # (B, L)
        glyphs, covered = digits.images[chosen], digits.widths[chosen]  # (B, L, size, size), (B, L)
        if self.distortion:
            flat = distort(glyphs.flatten(0, 1), covered.flatten(), self.distortion, generator)
            glyphs, covered = (part.unflatten(0, shape) for part in flat)

        advance = (covered + gaps) * present
        left = ends[:, :1] + advance.cumsum(dim=1) - advance  # (B, L)
        right = left + covered
        widths = torch.where(present, right, 0).amax(dim=1) + ends[:, 1]
        images = self._compose(glyphs, left, rows, present, int(widths.max()))
        if self.noise:
            noisy = images + self.noise * torch.randn(images.shape, generator=generator, device=device)
            valid = torch.arange(images.shape[-1], device=device) < widths.view(-1, 1, 1, 1)
            images = noisy.clamp(0, 1) * valid
        boxes = torch.stack([left, right], dim=-1).float().masked_fill(~present.unsqueeze(-1), float("nan"))
        values, boxes, lengths = as_read(digits.values[chosen], boxes, lengths, self.order)
        texts = tuple("".join(map(str, row[:n])) for row, n in zip(values.tolist(), lengths.tolist()))
        return TextLineBatch(images, widths, texts, boxes)

    def _compose(self, digits: Tensor, left: Tensor, rows: Tensor, present: Tensor, width: int) -> Tensor:
        """Lay digits ``(B, L, size, size)`` at their columns and rows; where two touch, the lighter ink shows."""
        size = torch.arange(self._size, device=digits.device)
        y = rows[..., None, None] + size[:, None]  # (B, L, size, 1)
        x = left[..., None, None] + size  # (B, L, 1, size), past the image only where a digit is blank
        place = (y * width + x.clamp(0, width - 1)).flatten(1)  # (B, L size size)
        ink = (digits * present[..., None, None] * (x < width)).flatten(1)
        flat = digits.new_zeros(len(digits), self.height * width)
        return flat.scatter_reduce(1, place, ink, reduce="amax").view(-1, 1, self.height, width)


def as_read(values: Tensor, boxes: Tensor, lengths: Tensor, order: str) -> tuple[Tensor, Tensor, Tensor]:
    """Characters in the order in which they are to be written.

    Args:
        values: ``(B, L)``, from left to right.
        boxes: ``(B, L, 2)``.
        lengths: ``(B,)``, characters.
        order: "forward", "backward" or "twice".

    Returns:
        The same three; L is doubled by "twice". Boxes are NaN past a length.
    """
    if order == "forward":
        return values, boxes, lengths
    times = 2 if order == "twice" else 1
    drawn = lengths.unsqueeze(1)  # (B, 1)
    place = torch.arange(times * values.shape[1], device=values.device)  # (times L,)
    source = place % drawn if order == "twice" else (drawn - 1 - place).clamp_min(0)  # (B, times L)
    moved = boxes.gather(1, source.unsqueeze(2).expand(-1, -1, 2))
    past = (place >= times * drawn).unsqueeze(2)
    return values.gather(1, source), moved.masked_fill(past, float("nan")), times * lengths
