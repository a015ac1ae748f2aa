"""Binary images of digits, whose bound is to be small."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import AnswerTask, Batch, FiniteTask, Splits
from memnets_tasks.images.checks import check_split
from memnets_tasks.images.digit_classes import moved
from memnets_tasks.images.handwriting import PARTS, handwriting, other_parts


@final
class BinaryDigits(AnswerTask, FiniteTask):
    """Say in as few nats as possible which pixels of a handwritten digit are ink: of a model of images, its bound.

    The digits are scikit-learn's, enlarged, each pixel 1 where the ink is above a half; of them no writer is in two
    parts. Training moves each by up to ``shift`` pixels; validation and test never do, and are the same images always.

    Args:
        size: Rows and columns of an image.
        shift: Most pixels that an image is moved in training, down and across.
        folder: Of MNIST's four files (``train-images-idx3-ubyte`` and so on, packed or not); None for scikit-learn's.
        split: "train", "validation" or "test".
        threshold: Nats an image below which the task counts as solved.

    Raises:
        ValueError: A number is out of range, or a file is damaged.
        ImportError: scikit-learn is needed, and not installed.
    """

    path_arguments: ClassVar[tuple[str, ...]] = ("folder",)

    def __init__(
        self,
        *,
        size: int = 20,
        shift: int = 1,
        folder: str | None = None,
        split: Literal["train", "validation", "test"] = "train",
        threshold: float = 1.0,
        evaluation_lengths: tuple[int, ...] = (1,),
    ) -> None:
        check_at_least("size", size, 8)
        check_at_least("shift", shift, 0)
        check_split(split, PARTS)
        self.size, self.shift, self.folder, self.split, self.threshold = size, shift, folder, split, threshold
        self.input_size = self.output_size = size * size
        set_lengths(self, 1, 1, evaluation_lengths, unit="images")
        self._images()  # what is wrong with the files is known now, and not at the first step

    def _images(self) -> Tensor:
        return handwriting("BinaryDigits", self.size, self.split, self.folder).images

    def splits(self) -> Splits:
        """The images of other writers, not moved; each of the test's once as "unseen writers"."""
        if self.split != "train":
            return Splits(self, self)
        parts = other_parts(self, shift=0)
        return Splits(*parts, unseen={"unseen writers": parts[1]})

    def __len__(self) -> int:
        """Images of the part."""
        return len(self._images())

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Every image of the part once, in order, not moved."""
        for images in self._images().split(batch_size):
            yield _batch(images)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw images, one a sequence, whatever the length."""
        device = generator.device
        expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        chosen = torch.randint(len(self), (batch_size, 1), generator=generator, device=device)
        images = self._images().to(device)[chosen]  # (B, 1, S, S)
        return _batch(moved(images, self.shift, generator).squeeze(1) if self.shift else images.squeeze(1))

    def corpus_scores(self, pairs: Iterable[tuple[Any, Any]]) -> dict[str, Tensor]:
        """Nats an image: the ``bound``, which is ``reconstruction`` and ``divergence`` together.

        Raises:
            ValueError: There is no pair.
        """
        parts = [(bound.reconstruction.double().cpu(), bound.divergence.double().cpu()) for bound, _ in pairs]
        if not parts:
            raise ValueError("there is nothing to score; give at least one pair of predictions and their batch")
        reconstruction, divergence = (torch.cat(part).mean() for part in zip(*parts))
        return {"bound": reconstruction + divergence, "reconstruction": reconstruction, "divergence": divergence}

    def errors(self, predictions: Any, batch: Batch) -> Tensor:
        """Nats of each image: ``(B,)``."""
        return (predictions.reconstruction + predictions.divergence).float()

    def text(self, batch: Batch, index: int) -> str:
        """The image in characters, two rows in one."""
        rows = batch.inputs[index, 0].view(self.size, self.size).bool()[: self.size // 2 * 2]
        pairs = zip(rows[::2].tolist(), rows[1::2].tolist())
        lines = ["".join(" \u2584\u2580\u2588"[2 * a + b] for a, b in zip(*pair)).rstrip() for pair in pairs]
        return "\n".join(["given and wanted:", *lines])


def _batch(images: Tensor) -> Batch:
    """One image a sequence, as 0 and 1; it is wanted as it is given."""
    pixels = (images > 0.5).float().flatten(1).unsqueeze(1)  # (B, 1, S S)
    ones = torch.ones(len(images), 1, dtype=torch.int64, device=images.device)
    return Batch(pixels, pixels, ones.bool(), ones.squeeze(1))
