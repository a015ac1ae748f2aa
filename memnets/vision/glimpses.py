"""Looking at a part of an image: sharp in the middle, coarser around."""

import torch
from torch import Tensor
from torch.nn import functional as F


def image_pyramid(images: Tensor, scales: int) -> list[Tensor]:
    """Images ``(B, C, H, W)``, and their means over cells of 2, 4, ... pixels a side, one tensor a scale.

    Raises:
        ValueError: H or W is no multiple of ``2 ** (scales - 1)``.
    """
    height, width = images.shape[-2:]
    coarsest = 2 ** (scales - 1)
    if height % coarsest or width % coarsest:
        raise ValueError(
            f"images are {height} x {width} pixels, but with {scales} scales must be multiples of {coarsest}: "
            "take fewer scales, or other images"
        )
    pyramid = [images]
    for _ in range(scales - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    return pyramid


def glimpses(pyramid: list[Tensor], places: Tensor, size: int) -> Tensor:
    """Patches of ``size x size`` numbers around a place: pixels, and around them cells of 2, 4, ... pixels a side.

    Args:
        pyramid: of the images, as :func:`image_pyramid` gives it. What is outside an image is zero.
        places: ``(B, 2)``, x and y of the middle, from -1, the left and upper edge, to 1.
        size: numbers a side of each patch.

    Returns:
        ``(B, scales, C, size, size)``; each scale covers twice as many pixels a side as the one before.

    Source:
        Mnih et al. 2014, "Recurrent models of visual attention", arXiv:1406.6247, section 3.1.
    """
    numbers = torch.arange(size, device=places.device, dtype=places.dtype) - (size - 1) / 2
    patches = []
    for cells in pyramid:
        height, width = cells.shape[-2:]
        x = places[:, :1] + numbers * (2 / width)  # (B, size)
        y = places[:, 1:] + numbers * (2 / height)
        grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)  # (B, size, size, 2)
        patches.append(F.grid_sample(cells, grid.to(cells.dtype), align_corners=False))
    return torch.stack(patches, dim=1)
