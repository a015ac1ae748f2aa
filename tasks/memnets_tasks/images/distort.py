"""Handwritten characters bent a little, so that few images serve as many."""

import torch
from torch import Tensor
from torch.nn import functional as F

INK = 0.2
"""Share of full ink from which a column belongs to a character."""

TURN, SHEAR, SHIFT, PRESSURE = 0.2, 0.25, 0.06, 0.4
"""Most radians, columns a row, shares of the side that any point is moved, and change of the ink's log exponent."""

WIDER, TALLER = (-0.25, 0.15), (-0.2, 0.05)
"""Least and most change of a character's log width and height; few are made larger, as there is no room."""


def cut(images: Tensor) -> tuple[Tensor, Tensor]:
    """Move characters to the left edge.

    Args:
        images: ``(n, size, size)``, float32 from 0 to 1.

    Returns:
        The same from their first inked column on, zero past the last; and the columns covered ``(n,)``, int64, at
        least 1.
    """
    size = images.shape[-1]
    inked = (images > INK).any(dim=1)  # (n, size)
    columns = torch.arange(size, device=images.device)
    last = torch.where(inked, columns, 0).amax(dim=1)
    first = torch.where(inked, columns, size).amin(dim=1).minimum(last)
    widths = last - first + 1
    source = (columns + first.unsqueeze(1)).clamp_max(size - 1)  # (n, size)
    shifted = images.gather(2, source.unsqueeze(1).expand(-1, size, -1))
    return shifted * (columns < widths.view(-1, 1, 1)), widths


def distort(images: Tensor, widths: Tensor, strength: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """:func:`warp`, and the characters moved to the left edge again.

    Returns:
        Images and widths, as ``cut`` gives them.
    """
    return cut(warp(images, widths, strength, generator))


def warp(images: Tensor, widths: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Turn, shear, resize and bend each character in a way of its own, and press the pen more or less.

    The warp is that of Simard et al. 2003 ("Best practices for convolutional neural networks applied to visual
    document analysis"), an affine map and a smooth field of displacements, made small.

    Args:
        images: ``(n, size, size)``, float32 from 0 to 1.
        widths: ``(n,)``, int64; columns that a character covers from the left edge on, whose middle it turns around and
            is moved to the middle of its image.
        strength: 0 leaves a character as it is; 1 bends it about as hands differ.
        generator: Source of randomness, on the device of ``images``.

    Returns:
        ``(n, size, size)``.
    """
    n, size = len(images), images.shape[-1]
    draws = 2 * torch.rand(n, 5 + 2 * 9, generator=generator, device=images.device) - 1  # (n, 23)
    turn, shear, wide, tall, pressure = draws[:, :5].unbind(1)
    angle, slant = strength * TURN * turn, strength * SHEAR * shear
    across, down = _scale(wide, WIDER, strength), _scale(tall, TALLER, strength)
    cos, sin = angle.cos(), angle.sin()
    middle = widths / size - 1  # of the character, where -1 is the left edge
    rows = [
        torch.stack([cos / across, (slant * cos - sin) / down, middle], dim=1),
        torch.stack([sin / across, (slant * sin + cos) / down, torch.zeros_like(cos)], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), [n, 1, size, size], align_corners=False)  # (n, size, size, 2)
    field = (2 * SHIFT * strength * draws[:, 5:]).view(n, 2, 3, 3)
    field = F.interpolate(field, size=(size, size), mode="bilinear", align_corners=True)
    warped = F.grid_sample(images.unsqueeze(1), grid + field.permute(0, 2, 3, 1), align_corners=False).squeeze(1)
    return warped.clamp(0, 1) ** (strength * PRESSURE * pressure).exp().view(-1, 1, 1)


def _scale(draws: Tensor, limits: tuple[float, float], strength: float) -> Tensor:
    """Factors, as draws from -1 to 1 say, between the limits of the logarithm."""
    low, high = limits
    return (strength * (low + (draws + 1) / 2 * (high - low))).exp()
