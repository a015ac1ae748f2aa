"""One line read at several sizes: type that is larger than that of training is also shown smaller."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..vision.base import Columns, check_line
from .joint import Reading


def check_sizes(sizes: Sequence[float]) -> None:
    """Raise ValueError unless there is a size, and each lies above 0 and up to 1."""
    if not len(sizes) or not all(0 < size <= 1 for size in sizes):
        raise ValueError(f"sizes is {tuple(sizes)}: give one or more shares of the height, above 0 and up to 1")


def shrink(images: Tensor, widths: Tensor, size: float) -> tuple[Tensor, Tensor]:
    """Lines made smaller, each by itself, with its outermost rows repeated above and below.

    Args:
        images: ``(B, channels, H, W)``, padded on the right.
        widths: ``(B,)``, valid pixels.
        size: share of the height that the whole line then takes; 1 leaves it as it is.

    Returns:
        Images ``(B, channels, H, W')`` of the same height, and their widths.
    """
    if size == 1:
        return images, widths
    check_line(images, widths)
    height = images.shape[2]
    rows = max(1, round(size * height))
    above = (height - rows) // 2
    exact = images if images.element_size() >= 4 else images.float()  # half precision is not interpolated on a CPU
    lines = []
    for image, width in zip(exact, widths.tolist()):
        to = (rows, max(1, round(size * width)))
        small = F.interpolate(image[None, :, :, :width], to, mode="bilinear", antialias=True)
        lines.append(F.pad(small, (0, 0, above, height - rows - above), mode="replicate"))
    narrower = [line.shape[3] for line in lines]
    padded = [F.pad(line, (0, max(narrower) - width)) for line, width in zip(lines, narrower)]
    return torch.cat(padded).to(images.dtype), torch.tensor(narrower, device=widths.device)


def surest(lines: Sequence[Columns], readings: Sequence[Sequence[Reading]]) -> list[Reading]:
    """Of what was read of each line at any size that of the highest confidence, its weights over the line as it is.

    Args:
        lines: the columns at each size; the first is the line as it is.
        readings: of each size those of the B lines.
    """
    best: list[Reading] = []
    for line in range(len(readings[0])):
        size = max(range(len(readings)), key=lambda size: readings[size][line].confidence)
        reading = readings[size][line]
        if reading.weights is not None and size:
            own, all_of_them = int(lines[0].counts[line]), lines[0].features.shape[1]
            weights = _stretch(reading.weights[:, : int(lines[size].counts[line])], own)
            reading = reading._replace(weights=F.pad(weights, (0, all_of_them - own)))
        best.append(reading)
    return best


def _stretch(weights: Tensor, columns: int) -> Tensor:
    """Weights (L, C) over another number of columns, each row's sum as it was."""
    if not len(weights):
        return weights.new_zeros(0, columns)
    wider = F.interpolate(weights[None], columns, mode="linear")[0]
    return wider * (weights.sum(1) / wider.sum(1).clamp(min=1e-12)).unsqueeze(1)
