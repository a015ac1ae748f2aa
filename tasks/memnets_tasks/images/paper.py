"""Ink on paper: greys, uneven backgrounds, blur and noise."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from memnets_tasks.images.warp import blur

CONTRAST = 0.45
"""Least difference of the greys of paper and ink."""


def _greys(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Greys of ink and paper ``(count,)``, from 0 to 1 and at least ``CONTRAST`` apart, either the darker."""
    dark = random.uniform(0, 1 - CONTRAST, count)
    light = random.uniform(dark + CONTRAST, 1)
    swapped = random.random(count) < 0.5
    return np.where(swapped, light, dark), np.where(swapped, dark, light)


def put_on_paper(
    ink: Tensor,
    widths: Tensor,
    random: np.random.Generator,
    generator: torch.Generator,
    *,
    amounts: tuple[float, float],
    backgrounds: bool,
) -> Tensor:
    """Images of ink.

    Args:
        ink: ``(B, 1, H, W)``, 1 where all is ink.
        widths: ``(B,)``, int64; past them an image is zero.
        random: Source of what is one number for each image.
        generator: Source of what is one number for each pixel, on the device of ``ink``.
        amounts: Largest standard deviation of the blur, in pixels, and of the noise, in shares of black to white.
        backgrounds: Any greys, and paper that is not even; else black on white.

    Returns:
        ``(B, 1, H, W)``, float32 from 0 to 1.
    """
    batch_size, _, height, width = ink.shape
    device = ink.device

    def column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).float().to(device).view(-1, 1, 1, 1)

    if amounts[0]:
        ink = blur(ink, column(random.uniform(0, amounts[0], batch_size)).flatten())
    images = 1 - ink
    if backgrounds:
        inks, papers = (column(greys) for greys in _greys(batch_size, random))
        coarse = torch.rand(batch_size, 1, 3, 12, generator=generator, device=device) - 0.5
        coarse = coarse * column(random.uniform(0, 0.25, batch_size))
        papers = papers + F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
        images = papers + ink * (inks - papers)
    if amounts[1]:
        noise = torch.randn(ink.shape, generator=generator, device=device)
        images = images + noise * column(random.uniform(0, amounts[1], batch_size))
    valid = torch.arange(width, device=device) < widths.view(-1, 1, 1, 1)
    return images.clamp(0, 1) * valid
