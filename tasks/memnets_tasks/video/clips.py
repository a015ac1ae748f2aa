"""Clips of one shape that moves, drawn for a whole batch at once; and what their tasks share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_evaluation_lengths, check_range
from memnets_tasks.base import Batch
from memnets_tasks.images.shapes import SHAPES
from memnets_tasks.token_task import TokenTask

SPECKS = 0.03
"""Share of the pixels of a frame that are lit at random."""


class ClipTask(TokenTask):
    """Frames of ``size x size`` grey pixels, row by row in a step's inputs, and a label of a frame or of the clip.

    Abstract: a subclass calls :meth:`set_sizes` and defines ``sample``. The length is the number of frames.

    Attributes:
        size: Rows and columns of a frame.
        labels: What classes stand for.
    """

    size: int
    labels: tuple[str, ...]

    def set_sizes(
        self,
        labels: tuple[str, ...],
        size: int,
        min_length: int,
        max_length: int,
        evaluation_lengths: Sequence[int],
        minimum: int,
    ) -> None:
        """Set all attributes.

        Raises:
            ValueError: A number is out of range.
        """
        check_at_least("size", size, 12)
        check_range("min_length", min_length, "max_length", max_length, minimum=minimum)
        self.size, self.labels = size, labels
        self.min_length, self.max_length = min_length, max_length
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=minimum)
        self.length_unit = "frames"
        self.input_size, self.output_size = size * size, len(labels)

    def clip_batch(
        self, centres: Tensor, radii: Tensor, classes: Tensor, mask: Tensor, lengths: Tensor, generator: torch.Generator
    ) -> Batch:
        """Draw a shape along its path, and specks.

        Args:
            centres: ``(B, T, 2)``, x and y in pixels.
            radii: ``(B,)``, in pixels.
            classes: ``(B, T)``, of the frames that are scored.
            mask: ``(B, T)``, which are.
            lengths: ``(B,)``.
            generator: Source of the shapes and the specks.
        """
        device, steps = generator.device, mask.shape[1]
        frames = draw_clip(centres, radii, self.size, generator)  # (B, T, S, S)
        specks = torch.rand(frames.shape, generator=generator, device=device) < SPECKS
        frames = torch.maximum(frames, specks * torch.rand(frames.shape, generator=generator, device=device))
        inside = torch.arange(steps, device=device) < lengths.unsqueeze(1)  # (B, T)
        inputs = frames.flatten(2) * inside.unsqueeze(-1)  # (B, T, S * S)
        return Batch(inputs, classes * mask, mask, lengths)

    def text(self, batch: Batch, index: int) -> str:
        """What is wanted of a clip."""
        wanted = [self.labels[n] for n in batch.targets[index][batch.mask[index]].tolist()]
        return (
            f"given {int(batch.lengths[index])} frames of {self.size} x {self.size} pixels; wanted {' '.join(wanted)}"
        )

    def figures(self, batch: Batch, predictions: Tensor, trace: Any) -> dict[str, Any]:
        """``film``: the frames, and of those that are scored the label wanted and the one given."""
        del trace
        from memnets import viz

        count = int(batch.lengths[0])
        said, wanted = predictions[0].argmax(-1).tolist(), batch.targets[0].tolist()
        titles = [
            "" if not scored else self.labels[w] if s == w else f"{self.labels[w]}, not {self.labels[s]}"
            for scored, s, w in zip(batch.mask[0].tolist()[:count], said, wanted)
        ]
        return {"film": viz.film_figure(batch.inputs[0, :count].view(count, self.size, -1), titles)}


def draw_clip(centres: Tensor, radii: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Frames ``(B, T, size, size)`` from 0 to 1 of one of the shapes a clip, its edges smooth over one pixel."""
    device = generator.device
    kinds = torch.randint(len(SHAPES), (len(radii),), generator=generator, device=device)
    pixels = torch.arange(size, device=device) + 0.5
    radius = radii[:, None, None, None]
    x = (pixels[None, None, None, :] - centres[..., 0, None, None]) / radius  # (B, T, 1, S)
    y = (pixels[None, None, :, None] - centres[..., 1, None, None]) / radius  # (B, T, S, 1)
    x, y = torch.broadcast_tensors(x, y)
    frames = torch.zeros_like(x)
    for kind, distance in enumerate(SHAPES.values()):
        (chosen,) = torch.nonzero(kinds == kind, as_tuple=True)
        if len(chosen):
            inside = 0.5 - distance(x[chosen], y[chosen]) * radius[chosen]
            frames = frames.index_copy(0, chosen, inside.clamp(0, 1))
    return frames
