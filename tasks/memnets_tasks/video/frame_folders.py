"""Clips as folders of frames, in a folder for each class."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_evaluation_lengths, expand_counts
from memnets_tasks.base import Batch, FiniteTask, Splits
from memnets_tasks.language.sequences import PARTS, part
from memnets_tasks.video.clips import ClipTask

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff")


class _Clip(NamedTuple):
    frames: Tensor
    label: str


@lru_cache(maxsize=2)
def _load(folder: str, size: int, most: int) -> tuple[dict[str, list[_Clip]], dict[str, int]]:
    """The clips of each part, class by class, and how many could not be used by reason."""
    root, skipped = Path(folder).expanduser(), Counter[str]()
    if not root.is_dir():
        raise ValueError(f"{folder} is no folder; give one with a folder for each class, and in it one for each clip")
    parts: dict[str, list[_Clip]] = {name: [] for name in PARTS}
    for label in _folders(root):
        clips = [_read_clip(root, f"{label}/{clip}", label, size, most, skipped) for clip in _folders(root / label)]
        for name, own in part([clip for clip in clips if clip is not None]).items():
            parts[name] += own
    empty = [name for name in PARTS if not parts[name]]
    if empty:
        left_out = "".join(f", {count} left out: {reason}" for reason, count in skipped.items())
        raise ValueError(f"{folder} has no clip for the {empty[0]}{left_out}; give a class at least twenty clips")
    return parts, dict(skipped)


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False))


def _by_number(name: str) -> list[str | int]:
    """A name as texts and numbers in turn, so that frame2 comes before frame10."""
    return [int(part) if n % 2 else part for n, part in enumerate(re.split("([0-9]+)", name))]


def _read_clip(root: Path, name: str, label: str, size: int, most: int, skipped: Counter[str]) -> _Clip | None:
    """The frames of a folder by number, ``most`` of them at even distances; None where one cannot be read."""
    from memnets.base.regular_files import UnusableFile, read_within
    from memnets_tasks.images.pictures import MAX_BYTES, UnreadableImage, colour_square

    files = [entry.name for entry in os.scandir(root / name) if entry.name.lower().endswith(ENDINGS)]
    files.sort(key=_by_number)
    if len(files) < 2:
        skipped["a clip with fewer than two frames"] += 1
        return None
    if len(files) > most:
        files = [files[n * (len(files) - 1) // (most - 1)] for n in range(most)]
    try:
        pictures = [colour_square(read_within(root, f"{name}/{file}", MAX_BYTES), size) for file in files]
    except (UnreadableImage, UnusableFile) as error:
        skipped[f"a clip with a frame that is no image: {error.reason}"] += 1
        return None
    grey = torch.stack([torch.tensor(picture, dtype=torch.float32).mean(-1) / 255 for picture in pictures])  # (T, S, S)
    return _Clip(grey.flatten(1), label)


@final
class FrameFolders(ClipTask, FiniteTask):
    """Say after the last frame of which class a clip is, of a folder ``CLASS/CLIP/FRAME.png``.

    Frames are taken in the order of the numbers in their names, in grey, their middle square at ``size``. Of each class
    every twentieth clip is kept for validation and every twentieth for the test. The length is the number of frames; of
    a length that no clip has, the nearest is drawn.

    Args:
        folder: The folder.
        size: Rows and columns of a frame.
        max_frames: Frames of a clip at most; of longer ones so many, at even distances.
        evaluation_lengths: Frames of the clips that are tested on.

    Raises:
        ValueError: The folder has too few clips, or one class; the message says what was left out.
    """

    threshold = 0.05

    def __init__(
        self, folder: str, size: int = 32, max_frames: int = 32, evaluation_lengths: Sequence[int] = (16, 32)
    ) -> None:
        check_at_least("max_frames", max_frames, 2)
        check_at_least("size", size, 12)
        self._parts, self._skipped = _load(folder, size, max_frames)
        labels = tuple(sorted({clip.label for clips in self._parts.values() for clip in clips}))
        if len(labels) == 1:
            raise ValueError(f"{folder} has clips of the class {labels[0]!r} alone; give at least two")
        self._take("train")
        shortest, longest = int(self._lengths.min()), int(self._lengths.max())
        self.set_sizes(labels, size, shortest, longest, check_evaluation_lengths(evaluation_lengths, minimum=2), 2)

    def _take(self, name: str) -> "FrameFolders":
        self.split = name
        self._clips = self._parts[name]
        self._lengths = torch.tensor([len(clip.frames) for clip in self._clips])
        return self

    def splits(self) -> Splits:
        """The clips that are kept from training."""
        import copy

        return Splits(copy.copy(self)._take("validation"), copy.copy(self)._take("test"))

    @property
    def skipped(self) -> dict[str, int]:
        """Clips that could not be used, by reason."""
        return self._skipped

    def __len__(self) -> int:
        """Clips of the part."""
        return len(self._clips)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw clips of the length, or of the nearest there is; see :class:`memnets_tasks.Task`."""
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        draws = torch.rand(batch_size, generator=generator, device=device, dtype=torch.float64).tolist()
        chosen = []
        for wanted, draw in zip(lengths.tolist(), draws):
            away = (self._lengths - wanted).abs()
            nearest = (away == away.min()).nonzero().flatten()
            chosen.append(int(nearest[int(draw * len(nearest))]))
        return self._batch(chosen).to(device)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Every clip of the part once, in order."""
        for start in range(0, len(self), batch_size):
            yield self._batch(range(start, min(start + batch_size, len(self))))

    def _batch(self, chosen: Sequence[int]) -> Batch:
        clips: list[Any] = [self._clips[n] for n in chosen]
        inputs = torch.nn.utils.rnn.pad_sequence([clip.frames for clip in clips], batch_first=True)
        lengths = torch.tensor([len(clip.frames) for clip in clips])
        mask = torch.arange(inputs.shape[1]) == lengths.unsqueeze(1) - 1
        classes = torch.tensor([self.labels.index(clip.label) for clip in clips])
        return Batch(inputs, classes.unsqueeze(1) * mask, mask, lengths)
