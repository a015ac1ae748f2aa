"""Which way a shape moved, frame by frame."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import expand_counts
from memnets_tasks.base import Batch
from memnets_tasks.video.clips import ClipTask

DIRECTIONS = ("right", "left", "down", "up", "still")
_MOVES = ((1, 0), (-1, 0), (0, 1), (0, -1), (0, 0))
TURNS = 0.3
"""Chance at each frame that the shape takes another direction."""


@final
class MovingShapes(ClipTask):
    """Label each frame but the first with the way that the shape has moved since the one before.

    A shape of any kind and size moves by two pixels a frame, or stands still; it turns now and then, and back at the
    edge. A single frame tells nothing of it.

    Args:
        size: Rows and columns of a frame.
        min_length: Fewest frames in training.
        max_length: Most frames in training.
        evaluation_lengths: Frames of the clips that are tested on.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self, size: int = 16, min_length: int = 6, max_length: int = 12, evaluation_lengths: Sequence[int] = (12, 24)
    ) -> None:
        self.set_sizes(DIRECTIONS, size, min_length, max_length, evaluation_lengths, 2)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw clips; see :class:`memnets_tasks.Task`."""
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=2, unit=self.length_unit)
        steps = int(lengths.max())

        def draw(*shape: int) -> Tensor:
            return torch.rand(batch_size, *shape, generator=generator, device=device)

        radii = 2 + 1.5 * draw()
        margin = radii.unsqueeze(1)
        place = margin + (self.size - 2 * margin) * draw(2)  # (B, 2)
        turns, wanted = draw(steps) < TURNS, (draw(steps) * len(_MOVES)).long()
        moves = torch.tensor(_MOVES, dtype=place.dtype, device=device)
        back = torch.tensor([1, 0, 3, 2, 4], device=device)
        way, centres, ways = wanted[:, 0], [place], [wanted[:, 0]]
        for t in range(1, steps):
            way = torch.where(turns[:, t], wanted[:, t], way)
            goes = place + 2 * moves[way]
            outside = ((goes < margin) | (goes > self.size - margin)).any(1)
            way = torch.where(outside, back[way], way)
            place = place + 2 * moves[way]
            centres.append(place)
            ways.append(way)
        t = torch.arange(steps, device=device)
        mask = (t > 0) & (t < lengths.unsqueeze(1))
        return self.clip_batch(torch.stack(centres, 1), radii, torch.stack(ways, 1), mask, lengths, generator)
