"""A small convolutional encoder of frames, each to a vector."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.checks import check_whole


class FrameEncoder(nn.Module):
    """Frames to vectors: two convolutions, each with a pooling that halves both sides, a third, and a projection.

    What is where is kept: the projection sees every cell of the last maps.

    Args:
        channels: of a frame, 1 for grey.
        height: rows of a frame.
        width: columns of a frame.
        output_size: numbers of a vector.
        maps: of each convolution.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, channels: int, height: int, width: int, output_size: int, maps: int = 16):
        super().__init__()
        sizes = {"channels": channels, "height": height, "width": width, "output_size": output_size, "maps": maps}
        for name, value in sizes.items():
            check_whole(name, value)
        self.output_size = output_size
        self.first = nn.Conv2d(channels, maps, 3, padding=1)
        self.second = nn.Conv2d(maps, 2 * maps, 3, padding=1)
        self.third = nn.Conv2d(2 * maps, 2 * maps, 3, padding=1)
        cells = -(-height // 4) * -(-width // 4)
        self.project = nn.Linear(2 * maps * cells, output_size)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames ``(N, channels, H, W)`` to vectors ``(N, output_size)``."""
        x = F.max_pool2d(torch.relu(self.first(frames)), 2, ceil_mode=True)
        x = F.max_pool2d(torch.relu(self.second(x)), 2, ceil_mode=True)
        return torch.relu(self.project(torch.relu(self.third(x)).flatten(1)))


def frame_size(numbers: int, channels: int, height: int | None = None) -> tuple[int, int, int]:
    """Channels, rows and columns of a frame of so many numbers; square where ``height`` is None.

    Raises:
        ValueError: no frame of these channels and rows has as many.
    """
    check_whole("channels", channels)
    rows = math.isqrt(numbers // channels) if height is None else height
    check_whole("height", rows)
    frame = (channels, rows, numbers // channels // rows)
    if math.prod(frame) != numbers:
        raise ValueError(
            f"input_size is {numbers}, which is no frame of {channels} channels and {rows} rows: give the "
            "channels, and the height where frames are not square"
        )
    return frame
