"""Coloured shapes on noisy backgrounds, drawn for a whole batch at once."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.10, 0.10),
    "green": (0.10, 0.66, 0.15),
    "blue": (0.12, 0.22, 0.88),
    "yellow": (0.95, 0.88, 0.10),
    "purple": (0.58, 0.12, 0.72),
    "white": (0.98, 0.98, 0.98),
}


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return (x * x + y * y).sqrt() - 0.95


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.82


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    sides = (2 * x.abs() - y - 0.9) / math.sqrt(5)
    return torch.maximum(sides, y - 0.9)


def _diamond(x: Tensor, y: Tensor) -> Tensor:
    return (1.5 * x.abs() + y.abs() - 1) / math.sqrt(3.25)


def _cross(x: Tensor, y: Tensor) -> Tensor:
    across = torch.maximum(x.abs() - 0.95, y.abs() - 0.32)
    return torch.minimum(across, torch.maximum(x.abs() - 0.32, y.abs() - 0.95))


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return ((x * x + y * y).sqrt() - 0.72).abs() - 0.23


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "diamond": _diamond,
    "cross": _cross,
    "ring": _ring,
}
"""For each shape a function of x and y (down), from -1 to 1 across it: below zero inside, its slope about 1."""


def draw_shapes(kinds: Tensor, colours: Tensor, centres: Tensor, radii: Tensor, background: Tensor) -> Tensor:
    """Draw shapes over a background, their edges smooth over one pixel.

    Args:
        kinds: ``(B, K)``, int64; position in ``SHAPES``, or -1 for no shape.
        colours: ``(B, K, 3)``, 0 to 1.
        centres: ``(B, K, 2)``; x, y in pixels.
        radii: ``(B, K)``; half of a shape's box, in pixels.
        background: ``(B, 3, S, S)``.

    Returns:
        ``(B, 3, S, S)``.
    """
    steps = torch.arange(background.shape[-1], device=background.device) + 0.5
    images = background
    for k in range(kinds.shape[1]):
        radius = radii[:, k, None, None]
        x = (steps[None, None, :] - centres[:, k, 0, None, None]) / radius  # (B, 1, S)
        y = (steps[None, :, None] - centres[:, k, 1, None, None]) / radius  # (B, S, 1)
        x, y = torch.broadcast_tensors(x, y)
        cover = torch.zeros_like(x)
        for kind, distance in enumerate(SHAPES.values()):
            (chosen,) = torch.nonzero(kinds[:, k] == kind, as_tuple=True)
            if len(chosen):
                inside = 0.5 - distance(x[chosen], y[chosen]) * radius[chosen]
                cover = cover.index_copy(0, chosen, inside.clamp(0, 1))
        cover = cover.unsqueeze(1)  # (B, 1, S, S)
        images = images + cover * (colours[:, k, :, None, None] - images)
    return images


def noisy_backgrounds(batch_size: int, size: int, generator: torch.Generator) -> Tensor:
    """Dim, uneven, nearly grey backgrounds ``(B, 3, size, size)``, so that no colour of a shape is lost on them."""
    device = generator.device

    def draw(*shape: int) -> Tensor:
        return torch.rand(batch_size, *shape, generator=generator, device=device)

    grey = 0.25 + 0.3 * draw(1, 1, 1)
    tint = 0.08 * (draw(3, 1, 1) - 0.5)
    clouds = F.interpolate(draw(1, 5, 5) - 0.5, size=(size, size), mode="bilinear", align_corners=False)
    return grey + tint + 0.25 * clouds
