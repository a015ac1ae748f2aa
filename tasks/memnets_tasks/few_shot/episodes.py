"""Episodes of a few classes, whose labels are shown one step late."""

import copy
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._draw import distinct
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch, Splits
from memnets_tasks.token_task import TokenTask

SPLITS = ("train", "test")
REPORTED = (1, 2, 3, 4, 5, 10)
"""The appearances of a class whose accuracy the paper's table gives."""

TURN, SHIFT = math.pi / 16, 0.1
"""Most that an image is turned in training, in radians, and moved, as a share of its side: those of the paper."""


class Classes(NamedTuple):
    """Images by class.

    Attributes:
        images: ``(C, M, size, size)``, float32; ink is 1, paper 0. Zero where a class has fewer than M images.
        counts: ``(C,)``, int64; how many images each class has.
        names: What each class is called.
    """

    images: Tensor
    counts: Tensor
    names: tuple[str, ...]


class EpisodeTask(TokenTask):
    """Say of each image which of ``ways`` classes it is, in an episode in which their labels were dealt out anew.

    Santoro et al. 2016, "One-shot Learning with Memory-Augmented Neural Networks" (arXiv:1605.06065). An episode of
    ``length`` n shows n images of each of k classes, T = k n, in random order. The input of a step is the image, row by
    row, then the one-hot label of the image before it (zeros at the first step); wanted is the label of the image that
    is shown. Which class has which label is drawn for each episode, so that a label must be learnt from the steps
    before: at a class's first appearance, 1 / k can be right at best. Scores give the accuracy by appearance:
    ``accuracy_appearance2`` is that of each class's second image.

    The classes of the test are none of training's. In training each image is turned by up to pi / 16 and moved by up to
    a tenth of its side; with ``quarter_turns``, all of a class's images of an episode are turned by 0, 90, 180 or 270
    degrees, which makes four classes of one.

    Abstract: a subclass defines ``_load`` and calls ``_set_episodes``.
    """

    def _set_episodes(
        self,
        *,
        ways: int,
        size: int,
        quarter_turns: bool,
        augment: bool,
        split: str,
        min_length: int,
        max_length: int,
        evaluation_lengths: Sequence[int],
    ) -> None:
        check_at_least("ways", ways, 2)
        check_at_least("size", size, 4)
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}; give one of {', '.join(map(repr, SPLITS))}")
        self.ways, self.size, self.quarter_turns, self.augment, self.split = ways, size, quarter_turns, augment, split
        self.input_size, self.output_size = size * size + ways, ways
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="images of each class")
        self.classes = self._classes(split)
        self._classes("test")  # too few of them should be known now, and not at the end

    def _load(self, split: str) -> Classes:
        """The classes of a split."""
        raise NotImplementedError

    def _classes(self, split: str) -> Classes:
        classes = self._load(split)
        if len(classes.counts) < self.ways:
            raise ValueError(
                f"ways is {self.ways}, but there are {len(classes.counts)} classes to {split} with; give no more"
            )
        return classes

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "classes"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.classes = self._classes(self.split)  # type: ignore[arg-type]

    def splits(self) -> Splits:
        """Validation is of the training classes, the test of others, and not turned or moved."""
        if self.split == "test":
            return Splits(self, self)
        test = copy.copy(self)
        test.split, test.augment = "test", False
        test.classes = test._classes("test")
        return Splits(validation=self, test=test, unseen={"unseen classes": test})

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of episodes.

        Args:
            batch_size: Number of episodes, ``B``.
            length: Images of each class: one number for all episodes, or ``(B,)``, int64. At least 1; where a class has
                fewer, its images come again.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        device, ways = generator.device, self.ways
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        images, counts = self.classes.images.to(device), self.classes.counts.to(device)
        label, shown = self._draw_order(length, generator)  # (B, T) each
        label = label.clamp_max(ways - 1)
        mask = steps(label.shape[1], device) < (ways * length).unsqueeze(1)

        classes = distinct((batch_size,), ways, len(counts), generator)  # (B, k), the class of each label
        draws = torch.rand((batch_size, ways, images.shape[1]), generator=generator, device=device)
        there = steps(images.shape[1], device) < counts[classes].unsqueeze(-1)  # (B, k, M)
        numbers = torch.where(there, draws, 2.0).argsort(-1)  # the images of a class in random order
        class_ = classes.gather(1, label)  # (B, T)
        place = shown % counts[class_]
        number = numbers.flatten(1).gather(1, label * numbers.shape[-1] + place)
        pictures = self._change(images[class_, number], label, generator)  # (B, T, size, size)

        targets = label * mask
        late = F.pad(F.one_hot(label, ways)[:, :-1], (0, 0, 1, 0))  # (B, T, k), the label of the step before
        inputs = torch.cat([pictures.flatten(2), late], dim=-1) * mask.unsqueeze(-1)
        return Batch(inputs, targets, mask, ways * length)

    def _draw_order(self, length: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The label of each step ``(B, T)``, and which image of its class is shown."""
        most = int(length.max())
        number = steps(most, length.device).expand(self.ways, -1).flatten()  # (k n,)
        present = number < length.unsqueeze(1)  # (B, k n)
        draws = torch.rand(present.shape, generator=generator, device=length.device)
        source = torch.where(present, draws, 2.0).argsort(1)
        return source // most, number[source]

    def _change(self, pictures: Tensor, label: Tensor, generator: torch.Generator) -> Tensor:
        """The pictures ``(B, T, size, size)``, turned and moved."""
        batch_size, count, device = *label.shape, label.device
        quarters = torch.zeros(label.shape, device=device)
        if self.quarter_turns:
            drawn = torch.randint(4, (batch_size, self.ways), generator=generator, device=device)
            quarters = drawn.gather(1, label) * (math.pi / 2)
        if not self.augment:
            return (
                _quarter_turned(pictures, (quarters / (math.pi / 2)).round().long()) if self.quarter_turns else pictures
            )
        draws = 2 * torch.rand((3, batch_size, count), generator=generator, device=device) - 1
        angle = quarters + TURN * draws[0]
        flat = pictures.view(-1, 1, self.size, self.size)
        grid = _turned_grid(angle.flatten(), 2 * SHIFT * draws[1:].flatten(1), self.size)
        return F.grid_sample(flat, grid, align_corners=False).view_as(pictures)

    def slice_masks(self, batch: Batch) -> dict[str, Tensor]:
        """The steps ``(B, T)`` at which a class appears for the first time, the second, and so on."""
        seen = F.one_hot(batch.targets, self.ways).cumsum(1).gather(2, batch.targets.unsqueeze(-1)).squeeze(-1)
        longest = max(self.max_length, *self.evaluation_lengths)
        return {f"appearance{number}": seen == number for number in REPORTED if number <= longest}

    def text(self, batch: Batch, index: int) -> str:
        """The labels of one episode as they are wanted, and its first image in characters."""
        first = batch.inputs[index, 0, : self.size * self.size].view(self.size, self.size)
        ink = ["".join(" .:#"[min(3, int(4 * value))] for value in row) for row in first.clamp(0, 1).tolist()]
        wanted = batch.targets[index][batch.mask[index]].tolist()
        return "\n".join([f"wanted {' '.join(map(str, wanted))}; first image:", *ink])


def _turned_grid(angle: Tensor, shift: Tensor, size: int) -> Tensor:
    """Where each pixel comes from of pictures turned by ``angle (n,)`` and moved by ``shift (2, n)``: (n, s, s, 2)."""
    place = (2 * torch.arange(size, device=angle.device) + 1) / size - 1  # the middles of pixels, from -1 to 1
    cosine, sine = (value[:, None] * place for value in (angle.cos(), angle.sin()))  # (n, s)
    x = (cosine + shift[0][:, None])[:, None, :] - sine[:, :, None]  # (n, s, s)
    y = (sine + shift[1][:, None])[:, None, :] + cosine[:, :, None]
    return torch.stack([x, y], dim=-1)


def _quarter_turned(pictures: Tensor, quarters: Tensor) -> Tensor:
    """Pictures ``(B, T, size, size)``, each turned by its number of right angles ``(B, T)``."""
    turned = torch.stack([pictures.rot90(number, (-2, -1)) for number in range(4)])  # (4, B, T, size, size)
    return turned.gather(0, quarters[None, ..., None, None].expand_as(turned[:1])).squeeze(0)


def fitted(ink: Tensor, size: int, margin: float = 0.1) -> Tensor:
    """Ink ``(h, w)``, from 0 to 1, in the middle of a square of ``size`` pixels that it fills but for a margin."""
    height, width = ink.shape
    side = max(round(max(height, width) * (1 + 2 * margin)), 1)
    top, left = (side - height) // 2, (side - width) // 2
    square = F.pad(ink, (left, side - width - left, top, side - height - top))
    scaled = F.interpolate(square[None, None], size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return scaled[0, 0].clamp(0, 1)


def stacked(images: Sequence[Sequence[Tensor]], names: Sequence[str]) -> Classes:
    """Classes of the images of each, ``(size, size)`` every one; a class without images is left out."""
    kept = [(pictures, name) for pictures, name in zip(images, names) if pictures]
    if not kept:
        raise ValueError("there are no images to make classes of; give a source that has some")
    counts = torch.tensor([len(pictures) for pictures, _ in kept])
    size = kept[0][0][0].shape[-1]
    whole = torch.zeros(len(kept), int(counts.max()), size, size)
    for number, (pictures, _) in enumerate(kept):
        whole[number, : len(pictures)] = torch.stack(tuple(pictures))
    return Classes(whole, counts, tuple(name for _, name in kept))
