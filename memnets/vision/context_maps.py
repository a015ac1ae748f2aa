"""A coarse image to maps of as many cells, by which a place in it is chosen."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..base.checks import check_whole
from .image_encoder import activation_of


class ContextMaps(nn.Module):
    """3x3 convolutions that keep the rows and columns of an image.

    Their weights begin as those of means, each in a way of its own: at first all maps are bright where the image is.

    Args:
        channels: of an image, 1 for grey.
        maps: of each convolution.
        activation: between convolutions: "relu", "tanh", "softplus" or "leaky_relu".

    Raises:
        ValueError: a size or the activation is out of range, or there is no convolution.
    """

    def __init__(self, channels: int = 1, *, maps: Sequence[int] = (8, 12, 8), activation: str = "relu"):
        super().__init__()
        if not maps:
            raise ValueError("maps is empty, but needs the maps of at least one convolution")
        for value in maps:
            check_whole("maps: a convolution", value)
        self.output_size = maps[-1]
        parts: list[nn.Module] = []
        for before, after in itertools.pairwise([channels, *maps]):
            parts += [nn.Conv2d(before, after, 3, padding=1), activation_of(activation)]
        self.maps = nn.Sequential(*parts[:-1])
        for part in self.maps:
            if isinstance(part, nn.Conv2d):
                with torch.no_grad():
                    part.weight.abs_().div_(part.weight.sum((1, 2, 3), keepdim=True))
                    nn.init.zeros_(part.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, height, width)`` to maps ``(N, output_size, height, width)``."""
        return self.maps(images)
