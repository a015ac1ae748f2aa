"""Which gesture a clip shows, after its last frame."""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import expand_counts
from memnets_tasks.base import Batch
from memnets_tasks.video.clips import ClipTask

GESTURES = ("to the right", "to the left", "down", "up", "clockwise", "anticlockwise")


@final
class Gestures(ClipTask):
    """Say after the last frame which gesture a shape made: a stroke in one of four directions, or a circle.

    A gesture takes the whole clip, however many frames it has, and begins anywhere; shape, size and place differ. Each
    frame alone, and their sum, tell nothing of the direction.

    Args:
        size: Rows and columns of a frame.
        min_length: Fewest frames in training.
        max_length: Most frames in training.
        evaluation_lengths: Frames of the clips that are tested on.

    Raises:
        ValueError: A number is out of range.
    """

    threshold = 0.02

    def __init__(
        self, size: int = 16, min_length: int = 6, max_length: int = 12, evaluation_lengths: Sequence[int] = (12, 24)
    ) -> None:
        self.set_sizes(GESTURES, size, min_length, max_length, evaluation_lengths, 4)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw clips; see :class:`memnets_tasks.Task`."""
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=4, unit=self.length_unit)
        t = torch.arange(int(lengths.max()), device=device)

        def draw(*shape: int) -> Tensor:
            return torch.rand(batch_size, *shape, generator=generator, device=device)

        radii, reach = 1.5 + draw(), self.size * (0.2 + 0.12 * draw())
        room = (self.size / 2 - reach - 1).clamp_min(0).unsqueeze(1)
        middle = self.size / 2 + room * (2 * draw(2) - 1)  # (B, 2)
        classes = torch.randint(len(GESTURES), (batch_size,), generator=generator, device=device)
        along = t / (lengths.unsqueeze(1) - 1)  # (B, T), from 0 to 1
        start = 2 * math.pi * draw(1)
        turn = start + 2 * math.pi * along * torch.where(classes == 4, 1.0, -1.0).unsqueeze(1)  # y points down
        circle = torch.stack([turn.cos(), turn.sin()], dim=-1)  # (B, T, 2)
        ways = torch.tensor([(1, 0), (-1, 0), (0, 1), (0, -1), (0, 0), (0, 0)], dtype=middle.dtype, device=device)
        stroke = (2 * along - 1).unsqueeze(-1) * ways[classes].unsqueeze(1)
        path = torch.where((classes >= 4)[:, None, None], circle, stroke)
        centres = middle.unsqueeze(1) + reach[:, None, None] * path
        mask = t == lengths.unsqueeze(1) - 1
        return self.clip_batch(centres, radii, classes.unsqueeze(1) * mask, mask, lengths, generator)
