"""GoogLeNet's Inception modules, in small, with an auxiliary classifier."""

import torch
from torch import Tensor, nn

from ..base.modes import check_share
from .image_encoder import ImageEncoder, activation_of, check_image, draw_weights


class InceptionModule(nn.Module):
    """Convolutions of 1x1, 3x3 and 5x5 and a pooling side by side; 1x1 convolutions before them keep them cheap.

    Source:
        Szegedy et al. 2015, figure 2b.
    """

    def __init__(self, before: int, maps: tuple[int, int, int, int], activation: str):
        super().__init__()
        ones, threes, fives, pooled = maps
        self.output_size = sum(maps)
        self.paths = nn.ModuleList(
            [
                nn.Conv2d(before, ones, 1),
                nn.Sequential(
                    nn.Conv2d(before, threes // 2, 1),
                    activation_of(activation),
                    nn.Conv2d(threes // 2, threes, 3, padding=1),
                ),
                nn.Sequential(
                    nn.Conv2d(before, max(fives // 4, 2), 1),
                    activation_of(activation),
                    nn.Conv2d(max(fives // 4, 2), fives, 5, padding=2),
                ),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), nn.Conv2d(before, pooled, 1)),
            ]
        )
        self.activation = activation_of(activation)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``(N, before, H, W)`` to maps ``(N, output_size, H, W)``."""
        return self.activation(torch.cat([path(maps) for path in self.paths], dim=1))


class Inception(ImageEncoder):
    """A convolution, four Inception modules with a pooling between, and the mean over all places.

    After the second module an auxiliary classifier may look (``side_size``): its loss brings the gradient closer to
    the first layers. Only training has a use for it.

    Args:
        channels: of an image, 1 for grey.
        height: rows of an image.
        width: columns of an image.
        activation: "relu", as it was, "tanh", "softplus" or "leaky_relu".
        dropout: share of the vector that is left out in training.

    Raises:
        ValueError: a size, the share or the activation is out of range.

    Source:
        Szegedy et al. 2015, "Going deeper with convolutions", arXiv:1409.4842.
    """

    def __init__(
        self,
        channels: int = 1,
        height: int = 16,
        width: int = 16,
        *,
        activation: str = "relu",
        dropout: float = 0.4,
    ):
        super().__init__()
        check_image(channels, height, width, halvings=2)
        check_share("dropout", dropout)
        self.stem = nn.Sequential(nn.Conv2d(channels, 16, 3, padding=1), activation_of(activation), nn.MaxPool2d(2))
        first = InceptionModule(16, (8, 16, 8, 8), activation)
        second = InceptionModule(first.output_size, (12, 24, 8, 8), activation)
        third = InceptionModule(second.output_size, (16, 32, 12, 12), activation)
        fourth = InceptionModule(third.output_size, (24, 48, 16, 16), activation)
        self.early = nn.Sequential(first, second)
        self.late = nn.Sequential(nn.MaxPool2d(2), third, fourth)
        self.dropout = nn.Dropout(dropout)
        self.output_size = fourth.output_size
        self.side_size = 64
        self.side = nn.Sequential(
            nn.AdaptiveAvgPool2d(2),
            nn.Conv2d(second.output_size, 16, 1),
            activation_of(activation),
            nn.Flatten(),
            nn.Linear(64, self.side_size),
            activation_of(activation),
            nn.Dropout(0.7),  # as in the paper
        )
        draw_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, height, width)`` to vectors ``(N, output_size)``."""
        return self._finish(self.early(self.stem(images)))

    def with_side(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors, and those for the auxiliary classifier ``(N, side_size)``."""
        early = self.early(self.stem(images))
        return self._finish(early), self.side(early)

    def _finish(self, early: Tensor) -> Tensor:
        return self.dropout(self.late(early).mean((2, 3)))
