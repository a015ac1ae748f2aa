"""LeNet-5."""

from torch import Tensor, nn

from .image_encoder import ImageEncoder, activation_of, check_image


class LeNet5(ImageEncoder):
    """Two convolutions of 5x5, each with a pooling by the mean, and two full layers.

    The convolutions keep their size here, so that images of 8 pixels a side will do; of 16 pixels a side it has 43,576
    parameters, where the paper's has 60,000 with its last layer, of 32.

    Args:
        channels: of an image, 1 for grey.
        height: rows of an image.
        width: columns of an image.
        activation: "tanh", as it was, "relu", "softplus" or "leaky_relu".

    Raises:
        ValueError: a size or the activation is out of range.

    Source:
        LeCun et al. 1998, "Gradient-based learning applied to document recognition", figure 2.
    """

    output_size = 84

    def __init__(self, channels: int = 1, height: int = 16, width: int = 16, *, activation: str = "tanh"):
        super().__init__()
        rows, columns = check_image(channels, height, width, halvings=2)
        self.maps = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2),  # C1
            activation_of(activation),
            nn.AvgPool2d(2),  # S2
            nn.Conv2d(6, 16, 5, padding=2),  # C3
            activation_of(activation),
            nn.AvgPool2d(2),  # S4
        )
        self.full = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * rows * columns, 120),  # C5
            activation_of(activation),
            nn.Linear(120, self.output_size),  # F6
            activation_of(activation),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, height, width)`` to vectors ``(N, 84)``."""
        return self.full(self.maps(images))
