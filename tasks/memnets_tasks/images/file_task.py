"""Drawing batches from files: what reading tasks and describing tasks of real data share."""

import abc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from memnets.base.task import check_batch_size
from memnets_tasks._checks import check_at_least, check_evaluation_lengths, check_range, expand_counts
from memnets_tasks.base import FiniteTask, ImageTask
from memnets_tasks.images.pictures import UnreadableImage
from memnets_tasks.images.skipped_items import SkippedItems


class FileTask(FiniteTask, ImageTask):
    """A task whose items are in files.

    Training lengths are drawn as often as the data has them, and then an item of that length, so that each item
    is as likely as any other. An image that cannot be used is skipped for good, reported and counted, and the
    next item of its length stands in for it, or, in training, where there is none, one of the nearest length: what
    is drawn depends on the generator's state and the files alone. A length none of whose images can be read is then
    no longer among ``evaluation_lengths``.

    Abstract: a subclass calls ``_set_items`` and defines ``_decode`` and ``_batch``.
    """

    _skipped: SkippedItems
    _keys: list[str]

    def _set_items(
        self,
        keys: Sequence[str],
        lengths: Sequence[int],
        *,
        min_length: int | None,
        max_length: int | None,
        evaluation_lengths: tuple[int, ...] | None,
    ) -> None:
        if not keys:
            raise ValueError(f"{self._skipped.source} has no item that can be used; skipped: {self.skipped or 'none'}")
        self._keys = list(keys)
        self._lengths = np.asarray(lengths)
        self._order = np.argsort(self._lengths, kind="stable")
        self._sorted = self._lengths[self._order]
        self._distinct: list[int] = np.unique(self._sorted).tolist()
        self._bad: set[int] = set()
        self.min_length = int(self._sorted[0]) if min_length is None else min_length
        self.max_length = int(self._sorted[-1]) if max_length is None else max_length
        check_range("min_length", self.min_length, "max_length", self.max_length, minimum=1)
        if evaluation_lengths is None:
            evaluation_lengths = self._quantiles()
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=1)
        first, end = self._range(self.min_length, self.max_length)
        self.min_length, self.max_length = int(self._sorted[first]), int(self._sorted[end - 1])  # pictures ask for both

    def _quantiles(self) -> tuple[int, ...]:
        """The median, the ninth decile and the longest of the lengths there are."""
        places = [int(share * (len(self._sorted) - 1)) for share in (0.5, 0.9, 1.0)]
        return tuple(dict.fromkeys(int(self._sorted[place]) for place in places))

    def __len__(self) -> int:
        """Items, those included whose image has not been looked at yet."""
        return len(self._keys) - len(self._bad)

    def distinct(self, length: int) -> int:
        """Items of a length, those included whose image has not been looked at yet."""
        places = np.flatnonzero(self._lengths == length)
        return len(places) - sum(int(place) in self._bad for place in places)

    @property
    def skipped(self) -> dict[str, int]:
        """Items skipped so far, by reason. Images count from when they are first read: see ``check_images``."""
        return self._skipped.counts

    @property
    def skipped_keys(self) -> dict[str, list[str]]:
        """The keys of the items skipped so far, by reason."""
        return {reason: list(keys) for reason, keys in self._skipped.keys.items()}

    def _range(self, shortest: int, longest: int) -> tuple[int, int]:
        """First place, and one past the last, of the items of these lengths in ``_order``."""
        first = int(np.searchsorted(self._sorted, shortest, side="left"))
        end = int(np.searchsorted(self._sorted, longest, side="right"))
        if first == end:
            near = sorted(set(self._sorted.tolist()), key=lambda n: min(abs(n - shortest), abs(n - longest)))[:5]
            raise ValueError(
                f"{self._skipped.source} has no item of {shortest}"
                + (f" to {longest}" if longest > shortest else "")
                + f" {self.length_unit}; the nearest lengths there are: {', '.join(map(str, sorted(near)))}"
            )
        return first, end

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Draw lengths as often as the training data has them: ``(B,)``, int64.

        Args:
            batch_size: Number of lengths, ``B``.
            generator: Source of randomness; the lengths are made on its device.
            max_length: A cap given by a curriculum. The task's own ``max_length`` still holds above it.

        Raises:
            ValueError: If ``batch_size`` is below 1, or there is no item from ``min_length`` up to the cap.
        """
        check_batch_size(batch_size)
        longest = self.max_length if max_length is None else min(max_length, self.max_length)
        first, end = self._range(self.min_length, longest)
        places = torch.randint(first, end, (batch_size,), generator=generator, device=generator.device)
        return torch.as_tensor(self._sorted[places.cpu().numpy()], dtype=torch.int64, device=generator.device)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Any:
        """Draw items of given lengths, with replacement.

        Args:
            batch_size: Number of items, ``B``.
            length: The length of each item: one number for all, or ``(B,)``, int64, as ``sample_lengths`` gives, from
                which it may then differ: an item of the nearest training length stands in where no image of a
                length can be read.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` is below 1, ``length`` has another shape or dtype, there is no item of a
                length, or no image can be read: of the one length, or of all training lengths.
        """
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit).tolist()
        shares = torch.rand(batch_size, generator=generator, device=device, dtype=torch.float64).tolist()
        strict = not isinstance(length, Tensor)  # a run of hours should not end at one damaged file
        drawn = [self._draw(n, share) if strict else self._draw_near(n, share) for n, share in zip(lengths, shares)]
        images = self._varied([image for _, image in drawn], generator)
        return self._batch([position for position, _ in drawn], images).to(device)

    def _varied(self, images: list[npt.NDArray[np.uint8]], generator: torch.Generator) -> list[npt.NDArray[np.uint8]]:
        """What is drawn, a little different each time; as it is by default."""
        del generator
        return images

    def _draw_near(self, length: int, share: float) -> tuple[int, npt.NDArray[np.uint8]]:
        """An item of a length, or else of the nearest of the training lengths, the shorter of two as near."""
        found = self._find(length, share)
        if found is not None:
            return found
        trained = [n for n in self._distinct if self.min_length <= n <= self.max_length]
        for other in sorted(trained, key=lambda n: (abs(n - length), n)):
            found = self._find(other, share)
            if found is not None:
                return found
        raise ValueError(f"none of the images in {self._skipped.source} can be used; skipped: {self.skipped}")

    def _draw(self, length: int, share: float) -> tuple[int, npt.NDArray[np.uint8]]:
        """An item of a length; ValueError where none can be read."""
        found = self._find(length, share)
        if found is None:
            first, end = self._range(length, length)
            raise ValueError(
                f"none of the {end - first} images of {length} {self.length_unit} in {self._skipped.source} can be "
                f"used; skipped: {self.skipped}"
            )
        return found

    def _find(self, length: int, share: float) -> tuple[int, npt.NDArray[np.uint8]] | None:
        """The item at a share of those of a length, or the next that can be read."""
        first, end = self._range(length, length)
        count = end - first
        start = min(int(share * count), count - 1)
        for step in range(count):
            position = int(self._order[first + (start + step) % count])
            image = self._image(position)
            if image is not None:
                return position, image
        self.evaluation_lengths = tuple(n for n in self.evaluation_lengths if n != length)  # nothing to evaluate on
        return None

    def _image(self, position: int) -> npt.NDArray[np.uint8] | None:
        if position in self._bad:
            return None
        try:
            return self._decode(position)
        except UnreadableImage as error:
            self._bad.add(position)
            self._skipped.add(self._keys[position], error.reason, str(error))
            return None

    def batches(self, batch_size: int) -> Iterator[Any]:
        """Every item once, in the order of the files, on the CPU; for scoring a whole test set.

        Args:
            batch_size: Items at a time; the last batch may be smaller.

        Raises:
            ValueError: If ``batch_size`` is below 1.
        """
        check_at_least("batch_size", batch_size, 1)
        positions: list[int] = []
        images: list[npt.NDArray[np.uint8]] = []
        for position in range(len(self._keys)):
            image = self._image(position)
            if image is not None:
                positions.append(position)
                images.append(image)
            if len(images) == batch_size:
                yield self._batch(positions, images)
                positions, images = [], []
        if images:
            yield self._batch(positions, images)

    def check_images(self) -> dict[str, int]:
        """Read every image once, so that ``skipped`` is complete; returns it."""
        for position in range(len(self._keys)):
            self._image(position)
        return self.skipped

    @abc.abstractmethod
    def _decode(self, position: int) -> npt.NDArray[np.uint8]:
        """The image of an item, of the task's size; raises UnreadableImage."""

    @abc.abstractmethod
    def _batch(self, positions: list[int], images: list[npt.NDArray[np.uint8]]) -> Any:
        """A batch of items, on the CPU."""
