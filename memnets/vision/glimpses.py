"""Looking at a part of an image: sharp in the middle, coarser around."""

import torch
from torch import Tensor
from torch.nn import functional as F


def glimpses(images: Tensor, places: Tensor, size: int, scales: int) -> Tensor:
    """Patches of ``size x size`` numbers around a place: pixels, and around them cells of 2, 4, ... pixels a side.

    Args:
        images: ``(B, C, H, W)``; H and W must be multiples of ``2 ** (scales - 1)``. What is outside is zero.
        places: ``(B, 2)``, x and y of the middle, from -1, the left and upper edge, to 1. No gradient goes there.
        size: numbers a side of each patch.
        scales: patches; each covers twice as many pixels a side as the one before.

    Returns:
        ``(B, scales, C, size, size)``.

    Raises:
        ValueError: the images have other sizes.

    Source:
        Mnih et al. 2014, "Recurrent models of visual attention", arXiv:1406.6247, section 3.1.
    """
    height, width = images.shape[-2:]
    coarsest = 2 ** (scales - 1)
    if height % coarsest or width % coarsest:
        raise ValueError(
            f"images are {height} x {width} pixels, but with {scales} scales must be multiples of {coarsest}: "
            "take fewer scales, or other images"
        )
    numbers = torch.arange(size, device=images.device, dtype=images.dtype) - (size - 1) / 2
    patches = []
    for scale in range(scales):
        cells = F.avg_pool2d(images, 2**scale) if scale else images
        x = places[:, :1].detach() + numbers * (2 ** (scale + 1) / width)  # (B, size)
        y = places[:, 1:].detach() + numbers * (2 ** (scale + 1) / height)
        grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)  # (B, size, size, 2)
        patches.append(F.grid_sample(cells, grid.to(cells.dtype), align_corners=False))
    return torch.stack(patches, dim=1)
