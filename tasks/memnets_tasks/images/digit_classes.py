"""Which digit an image shows."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import Batch, FiniteTask, Splits
from memnets_tasks.images.checks import check_not_negative, check_split
from memnets_tasks.images.handwriting import PARTS, digit_figure, handwriting, other_parts
from memnets_tasks.token_task import TokenTask


@final
class DigitClasses(TokenTask, FiniteTask):
    """Say of each handwritten digit which it is; a step is an image, row by row in its inputs.

    The digits are scikit-learn's 1797 (Alpaydin & Kaynak 1998), enlarged, of which no writer is in two parts; or those
    of MNIST's files. In training each is moved by up to ``shift`` pixels.

    Args:
        size: Rows and columns of an image.
        shift: Most pixels that an image is moved in training, down and across.
        noise: Standard deviation of the noise of each pixel of training, where 1 is from paper to ink.
        folder: Of MNIST's four files (``train-images-idx3-ubyte`` and so on, packed or not); None for scikit-learn's.
        split: "train", "validation" or "test".
        min_length: Fewest images of a sequence in training.
        max_length: Most images of a sequence in training.
        evaluation_lengths: Images of the sequences that are tested on.

    Raises:
        ValueError: A number is out of range, or a file is damaged.
        ImportError: scikit-learn is needed, and not installed.
    """

    threshold = 0.02
    path_arguments: ClassVar[tuple[str, ...]] = ("folder",)

    def __init__(
        self,
        *,
        size: int = 16,
        shift: int = 1,
        noise: float = 0.0,
        folder: str | None = None,
        split: Literal["train", "validation", "test"] = "train",
        min_length: int = 1,
        max_length: int = 1,
        evaluation_lengths: tuple[int, ...] = (1,),
    ) -> None:
        check_at_least("size", size, 8)
        check_at_least("shift", shift, 0)
        check_not_negative("noise", noise)
        check_split(split, PARTS)
        self.size, self.shift, self.noise, self.folder, self.split = size, shift, noise, folder, split
        self.input_size, self.output_size = size * size, 10
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="images")
        self._images(split)  # what is wrong with the files is known now, and not at the first step

    def _images(self, split: str) -> Any:
        return handwriting("DigitClasses", self.size, split, self.folder)

    def splits(self) -> Splits:
        """The images of other writers, neither moved nor noisy; each of the test's once as "unseen writers"."""
        if self.split != "train":
            return Splits(self, self)
        parts = other_parts(self, shift=0, noise=0.0)
        return Splits(*parts, unseen={"unseen writers": parts[1]})

    def __len__(self) -> int:
        """Images of the part."""
        return len(self._images(self.split).values)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Every image of the part once, in order, each a sequence of its own; neither moved nor noisy."""
        digits = self._images(self.split)
        for images, values in zip(digits.images.split(batch_size), digits.values.split(batch_size)):
            ones = torch.ones(len(values), dtype=torch.int64)
            yield Batch(images.flatten(1).unsqueeze(1), values.unsqueeze(1), ones.bool().unsqueeze(1), ones)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw images; see :class:`memnets_tasks.Task`."""
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        mask = torch.arange(int(lengths.max()), device=device) < lengths.unsqueeze(1)  # (B, T)
        digits = self._images(self.split)
        chosen = torch.randint(len(digits.values), mask.shape, generator=generator, device=device)
        images = digits.images.to(device)[chosen]  # (B, T, S, S)
        if self.shift:
            images = moved(images, self.shift, generator)
        if self.noise:
            noise = torch.randn(images.shape, generator=generator, device=device)
            images = (images + self.noise * noise).clamp(0, 1)
        return Batch(images.flatten(2) * mask.unsqueeze(-1), digits.values.to(device)[chosen] * mask, mask, lengths)

    def text(self, batch: Batch, index: int) -> str:
        """The digits that are wanted."""
        wanted = batch.targets[index][batch.mask[index]].tolist()
        return f"given {len(wanted)} of {self.size} x {self.size} pixels; wanted {' '.join(map(str, wanted))}"

    def figures(self, batch: Batch, predictions: Tensor, trace: Any) -> dict[str, Any]:
        """``digits``: the images, with the digit wanted and the one given."""
        del trace
        return {"digits": digit_figure(batch, predictions, self.size, "Handwritten digits")}


def moved(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Images ``(B, T, S, S)``, each moved by up to ``most`` pixels down and across; what comes in is zero."""
    size, device = images.shape[-1], images.device
    shifts = torch.randint(-most, most + 1, (2, *images.shape[:2], 1), generator=generator, device=device)
    source = torch.arange(size, device=device) - shifts  # (2, B, T, S), where each row and column comes from
    inside = (source >= 0) & (source < size)
    down, across = source.clamp(0, size - 1)
    images = images.gather(2, down.unsqueeze(-1).expand_as(images))
    images = images.gather(3, across.unsqueeze(-2).expand_as(images))
    return images * inside[0].unsqueeze(-1) * inside[1].unsqueeze(-2)
