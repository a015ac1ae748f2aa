"""DRAW's attention to images: a grid of Gaussian filters that reads a patch and writes one.

Gregor et al. 2015, "DRAW: a recurrent neural network for image generation", arXiv:1502.04623, section 3.2.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Window(NamedTuple):
    """Where a grid of N x N filters lies, in pixels, the first of which is number 1.

    Attributes:
        x: ``(B,)``, column of its middle.
        y: ``(B,)``, row of its middle.
        stride: ``(B,)``, between two filters.
        variance: ``(B,)``, of each filter.
        intensity: ``(B,)``, by which what is read is multiplied, and what is written divided.
    """

    x: Tensor
    y: Tensor
    stride: Tensor
    variance: Tensor
    intensity: Tensor


def attention_window(values: Tensor, rows: int, columns: int, patch: int) -> Window:
    """The window that a decoder asks for (equations 21 to 24).

    Args:
        values: ``(B, 5)``, of any size: x, y, log variance, log stride, log intensity.
        rows: B of the paper, of the image.
        columns: A of the paper, of the image.
        patch: N, filters a side; zeros ask for a window over all of a square image.
    """
    x, y, variance, stride, intensity = values.unbind(-1)
    return Window(
        x=(columns + 1) / 2 * (x + 1),
        y=(rows + 1) / 2 * (y + 1),
        stride=(max(rows, columns) - 1) / max(patch - 1, 1) * stride.exp(),
        variance=variance.exp(),
        intensity=intensity.exp(),
    )


def filter_bank(middle: Tensor, stride: Tensor, variance: Tensor, size: int, patch: int) -> Tensor:
    """The filters along one side (equations 19, 20, 25 and 26).

    Args:
        middle: ``(B,)``, of the grid.
        stride: ``(B,)``.
        variance: ``(B,)``.
        size: pixels of the side.
        patch: N, filters.

    Returns:
        ``(B, N, size)``, each filter of sum 1, however far outside it lies.
    """
    numbers = torch.arange(1, patch + 1, device=middle.device, dtype=middle.dtype)  # i
    pixels = torch.arange(1, size + 1, device=middle.device, dtype=middle.dtype)  # a
    mean = middle.unsqueeze(1) + (numbers - patch / 2 - 0.5) * stride.unsqueeze(1)  # (B, N), mu
    apart = (pixels - mean.unsqueeze(2)) ** 2  # (B, N, size)
    return torch.softmax(-apart / (2 * variance.clamp_min(1e-6)[:, None, None]), dim=-1)


def filters(seen: Window, rows: int, columns: int, patch: int) -> tuple[Tensor, Tensor]:
    """F_Y ``(B, N, rows)`` and F_X ``(B, N, columns)`` of a window."""
    down = filter_bank(seen.y, seen.stride, seen.variance, rows, patch)
    across = filter_bank(seen.x, seen.stride, seen.variance, columns, patch)
    return down, across


def read_patch(image: Tensor, down: Tensor, across: Tensor, intensity: Tensor) -> Tensor:
    """Patches ``(B, N, N)`` of images ``(B, rows, columns)``: gamma F_Y x F_X^T (equation 27)."""
    return intensity[:, None, None] * (down @ image @ across.mT)


def write_patch(patch: Tensor, down: Tensor, across: Tensor, intensity: Tensor) -> Tensor:
    """Images ``(B, rows, columns)`` of patches ``(B, N, N)``: 1 / gamma F_Y^T w F_X (equation 29)."""
    return (down.mT @ patch @ across) / intensity[:, None, None]
