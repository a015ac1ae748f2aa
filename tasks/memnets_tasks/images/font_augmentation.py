"""Font augmentation: type made to look like that of other fonts, so that few fonts serve as many."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from memnets.base.extras import require
from memnets_tasks.images.glyphs import Change, Glyph

WEIGHT = (-0.5, 0.8)
"""Least and most of the way that a stroke's edges are moved outwards by a pixel; upright and level strokes apart."""

SHIFT = 0.05
"""Most that any point is moved, in shares of the line's height."""

ROOM = 2
"""Pixels around a line that its strokes may grow and bend into, at least; of tall lines a sixteenth of the height."""

KNOTS = 3
"""Points of the field of displacements down a line; along it they are as far apart."""

WIDER, TALLER = (-0.35, 0.15), (-0.15, 0.0)
"""Least and most change of a line's log width and height: other fonts are narrower, and their small letters lower."""


def augment_strokes(ink: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Make strokes bolder or thinner, upright and level ones apart, and bend letters smoothly.

    The bending is that of Simard et al. 2003 ("Best practices for convolutional neural networks applied to visual
    document analysis"). Fonts differ so in their weight, in the contrast of their strokes, and in their curves.

    Args:
        ink: ``(B, 1, h, w)``, float32 from 0 to 1; zero past each line.
        strength: 0 leaves the ink as it is; 1 changes it about as fonts differ.
        generator: Source of randomness, on the device of ``ink``.

    Returns:
        Ink of the same shape.
    """
    if not strength:
        return ink
    batch_size, _, height, width = ink.shape
    least, most = WEIGHT
    amounts = least + (most - least) * torch.rand(2, batch_size, 1, 1, 1, generator=generator, device=ink.device)
    for amount, kernel in zip((strength * amounts).clamp(-1, 1), ((1, 3), (3, 1))):
        padding = kernel[0] // 2, kernel[1] // 2
        bolder = F.max_pool2d(ink, kernel, 1, padding)
        thinner = 1 - F.max_pool2d(1 - ink, kernel, 1, padding)
        ink = ink + amount.relu() * (bolder - ink) + (-amount).relu() * (thinner - ink)
    along = max(2, round(KNOTS * width / height))
    field = 2 * torch.rand(batch_size, 2, KNOTS, along, generator=generator, device=ink.device) - 1
    bent = torch.rand(batch_size, 1, 1, 1, generator=generator, device=ink.device)
    reach = torch.tensor([2 * height / width, 2.0], device=ink.device)  # the height, on a grid of -1 to 1
    field = strength * SHIFT * bent * reach.view(1, 2, 1, 1) * field
    field = F.interpolate(field, size=(height, width), mode="bicubic")
    straight = F.affine_grid(torch.eye(2, 3, device=ink.device).expand(batch_size, 2, 3), list(ink.shape), False)
    return F.grid_sample(ink, straight + field.permute(0, 2, 3, 1), align_corners=False)


def is_tall_sign(character: str, glyph: Glyph, size: int) -> bool:
    """Whether it is no letter or digit, and reaches from high up to below the baseline, as a bar or bracket does."""
    return not character.isalnum() and glyph.top < -0.6 * size and glyph.top + len(glyph.ink) > 0


def lift(glyph: Glyph, share: float) -> Glyph:
    """The same glyph, whose depth below the baseline is ``share`` of what it was; the rest is squeezed with it."""
    require("PIL", purpose="drawing text")

    from PIL import Image

    depth = glyph.top + len(glyph.ink)
    height = max(1, round(share * depth) - glyph.top)
    image = Image.fromarray(glyph.ink).resize((glyph.ink.shape[1], height), Image.Resampling.BOX)
    return glyph._replace(ink=np.asarray(image))


def lift_signs(strength: float, random: np.random.Generator) -> Change:
    """What lifts each tall sign by a share of its depth, from none to ``strength``, and leaves other glyphs alone.

    Bars, slashes and brackets go far below the line in some fonts, and end on it in others.
    """

    def change(character: str, glyph: Glyph, size: int) -> Glyph:
        if not is_tall_sign(character, glyph, size):
            return glyph
        return lift(glyph, max(0.0, 1 - strength * random.uniform()))

    return change
