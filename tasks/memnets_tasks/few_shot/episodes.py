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

VARIANTS = 4
"""How often each image is turned and moved, once and for all: doing so at each step would take longer than training."""


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
    degrees, which makes four classes of one. How an image is turned and moved is drawn four times when the task is
    made, and one of the four is shown.

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
        self._use(self._classes(split))
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

    def _use(self, classes: Classes) -> None:
        """Show these classes; their pictures are turned and moved here, if at all."""
        self.classes = classes
        pictures = classes.images.flatten(0, 1)  # (C M, size, size)
        self._variants = VARIANTS if self.augment else 1
        if self.augment:
            pictures = _turned_and_moved(pictures.repeat_interleave(VARIANTS, 0), torch.Generator().manual_seed(0))
        self._pictures = F.pad(pictures.flatten(1), (0, 0, 0, 1))  # (C M variants + 1, size size), the last one empty

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("classes", "_pictures")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._use(self._classes(self.split))  # type: ignore[arg-type]

    def splits(self) -> Splits:
        """Validation is of the training classes, the test of others, and not turned or moved."""
        if self.split == "test":
            return Splits(self, self)
        test = copy.copy(self)
        test.split, test.augment = "test", False
        test._use(test._classes("test"))
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
        counts, most = self.classes.counts.to(device), self.classes.images.shape[1]
        label, shown = self._draw_order(length, generator)  # (B, T) each
        mask = steps(label.shape[1], device) < (ways * length).unsqueeze(1)

        classes = distinct((batch_size,), ways, len(counts), generator)  # (B, k), the class of each label
        draws = torch.rand((batch_size, ways, most), generator=generator, device=device)
        there = steps(most, device) < counts[classes].unsqueeze(-1)  # (B, k, M)
        wanted = min(most, int(length.max()))
        numbers = torch.where(there, draws, -1.0).topk(wanted).indices  # (B, k, n), in random order
        class_ = classes.gather(1, label)  # (B, T)
        number = numbers.flatten(1).gather(1, label * wanted + shown % counts[class_])
        variant = torch.randint(self._variants, label.shape, generator=generator, device=device)
        rows = (class_ * most + number) * self._variants + variant
        inputs = self._pictures.new_empty((*rows.shape, self.input_size), device=device)
        self._show(inputs[..., :-ways], torch.where(mask, rows, len(self._pictures) - 1), label, generator)
        inputs[:, 0, -ways:] = 0
        inputs[:, 1:, -ways:] = F.one_hot(label[:, :-1], ways) * mask[:, 1:, None]  # the label of the step before
        return Batch(inputs, label * mask, mask, ways * length)

    def _show(self, shown: Tensor, rows: Tensor, label: Tensor, generator: torch.Generator) -> None:
        """Put the pictures of some rows ``(B, T)``, those of a class turned alike, into ``(B, T, size size)``."""
        pictures = self._pictures.to(rows.device)
        if not self.quarter_turns:
            torch.index_select(pictures, 0, rows.flatten(), out=shown.flatten(0, 1))
            return
        drawn = torch.randint(4, (len(rows), self.ways), generator=generator, device=rows.device)
        turns, rows, shown = drawn.gather(1, label).flatten(), rows.flatten(), shown.flatten(0, 1)
        for number in range(4):
            place = (turns == number).nonzero().squeeze(1)
            upright = pictures.index_select(0, rows[place]).view(-1, self.size, self.size)
            shown.index_copy_(0, place, upright.rot90(number, (1, 2)).flatten(1))

    def _draw_order(self, length: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The label of each step ``(B, T)``, and which image of its class is shown."""
        most = int(length.max())
        number = steps(most, length.device).expand(self.ways, -1).flatten()  # (k n,)
        present = number < length.unsqueeze(1)  # (B, k n)
        draws = torch.rand(present.shape, generator=generator, device=length.device)
        source = torch.where(present, draws, 2.0).argsort(1)
        return source // most, number[source]

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


def _turned_and_moved(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures ``(n, s, s)``, each turned and moved a little."""
    size = pictures.shape[-1]
    angle, *shift = 2 * torch.rand((3, len(pictures)), generator=generator) - 1
    place = (2 * torch.arange(size) + 1) / size - 1  # the middles of pixels, from -1 to 1
    cosine, sine = (value[:, None] * place for value in ((TURN * angle).cos(), (TURN * angle).sin()))  # (n, s)
    right, down = (2 * SHIFT * part[:, None] for part in shift)
    x = (cosine + right)[:, None, :] - sine[:, :, None]  # (n, s, s), where each pixel comes from
    y = (sine + down)[:, None, :] + cosine[:, :, None]
    return F.grid_sample(pictures.unsqueeze(1), torch.stack([x, y], dim=-1), align_corners=False).squeeze(1)


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
