"""A convolutional encoder of scenes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..base.checks import check_whole
from .blocks import ConvBlock, pool


class GridEncoder(nn.Module):
    """Scenes to a grid of features, one vector for each cell of ``2 ** len(channels)`` pixels a side.

    The first layer also sees where each pixel lies (x and y from -1 to 1; Liu et al. 2018, arXiv:1807.03247): a sum
    of features under attention would else not tell left from right.

    Args:
        in_channels: 3 for colour, 1 for grey.
        channels: of each stage; a stage is a block of 3x3 convolutions and a pooling that halves both sides.
        output_size: D, features of a cell.
        residual: ResNet blocks (two convolutions and a shortcut) in place of VGG's single ones.

    Raises:
        ValueError: a size below 1, or no stage.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 96),
        output_size: int = 128,
        residual: bool = False,
    ):
        super().__init__()
        for name, value in (("in_channels", in_channels), ("output_size", output_size)):
            check_whole(name, value)
        if not channels:
            raise ValueError("channels is empty, but needs the channels of at least one stage")
        for value in channels:
            check_whole("channels: a stage", value)
        self.in_channels = in_channels
        self.output_size = output_size
        self.stages = nn.ModuleList(
            ConvBlock(before, after, residual=residual) for before, after in zip([in_channels + 2, *channels], channels)
        )
        self.project = nn.Conv2d(channels[-1], output_size, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, in_channels, H, W) to features (B, D, h, w).

        Raises:
            ValueError: the images have another number of dimensions or channels.
        """
        if images.dim() != 4 or images.shape[1] != self.in_channels:
            raise ValueError(
                f"images has shape {tuple(images.shape)}, but must be (batch, {self.in_channels}, height, width): "
                f"the encoder was made with in_channels={self.in_channels}"
            )
        x = torch.cat([images, places_like(images)], dim=1).contiguous(memory_format=torch.channels_last)
        for block in self.stages:
            x = pool(block(x), 2, 2)
        return self.project(x)


def places_like(maps: Tensor) -> Tensor:
    """x and y of each cell of maps (B, C, h, w), from -1 at the first centre to 1 at the last: (B, 2, h, w)."""
    down, across = (
        torch.linspace(-1, 1, size, device=maps.device, dtype=maps.dtype) if size > 1 else maps.new_zeros(1)
        for size in maps.shape[2:]
    )
    y, x = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([x, y]).expand(len(maps), -1, -1, -1)
