"""VGG, in small."""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from ..base.checks import check_whole
from ..base.modes import check_share
from .image_encoder import ImageEncoder, activation_of, check_image, draw_weights


class VGG(ImageEncoder):
    """Stages of 3x3 convolutions, after each of which a pooling halves both sides, and a full layer with dropout.

    Args:
        channels: of an image, 1 for grey.
        height: rows of an image.
        width: columns of an image.
        maps: of the convolutions of each stage.
        convolutions: of a stage.
        output_size: of the full layer.
        activation: "relu", as it was, "tanh", "softplus" or "leaky_relu".
        dropout: share of the full layer's inputs and outputs that is left out in training.
        cell: pixels a side of the cells whose means it sees, for large images of large things; 1 for the pixels.

    Raises:
        ValueError: a size, the share or the activation is out of range, there is no stage, or an image is not whole
            cells.

    Source:
        Simonyan & Zisserman 2015, "Very deep convolutional networks", arXiv:1409.1556.
    """

    def __init__(
        self,
        channels: int = 1,
        height: int = 16,
        width: int = 16,
        *,
        maps: Sequence[int] = (16, 32, 64),
        convolutions: int = 2,
        output_size: int = 128,
        activation: str = "relu",
        dropout: float = 0.5,
        cell: int = 1,
    ):
        super().__init__()
        if not maps:
            raise ValueError("maps is empty, but needs the maps of at least one stage")
        for value in maps:
            check_whole("maps: a stage", value)
        check_whole("convolutions", convolutions)
        check_whole("output_size", output_size)
        check_share("dropout", dropout)
        check_whole("cell", cell)
        if height % cell or width % cell:
            raise ValueError(
                f"cell is {cell}, but images are {height} x {width} pixels: give one that divides both sides"
            )
        rows, columns = check_image(channels, height // cell, width // cell, halvings=len(maps))
        self.output_size = output_size
        parts: list[nn.Module] = [nn.AvgPool2d(cell)] if cell > 1 else []
        for before, after in itertools.pairwise([channels, *maps]):
            for number in range(convolutions):
                parts += [nn.Conv2d(after if number else before, after, 3, padding=1), activation_of(activation)]
            parts.append(nn.MaxPool2d(2))
        self.maps = nn.Sequential(*parts)
        self.full = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(maps[-1] * rows * columns, output_size),
            activation_of(activation),
            nn.Dropout(dropout),
        )
        draw_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, height, width)`` to vectors ``(N, output_size)``."""
        return self.full(self.maps(images))
