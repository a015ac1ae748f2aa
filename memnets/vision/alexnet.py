"""AlexNet, in small."""

from torch import Tensor, nn

from ..base.modes import check_share
from .image_encoder import ImageEncoder, activation_of, check_image, draw_weights


class AlexNet(ImageEncoder):
    """Five convolutions, three poolings that overlap, normalisation across maps, two full layers with dropout.

    An eighth of the paper's maps and a sixteenth of its full layers, for small images.

    Args:
        channels: of an image, 1 for grey.
        height: rows of an image.
        width: columns of an image.
        output_size: of the full layers.
        activation: "relu", as it was, "tanh", "softplus" or "leaky_relu".
        dropout: share of the inputs of each full layer that is left out in training.

    Raises:
        ValueError: a size, the share or the activation is out of range.

    Source:
        Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks".
    """

    def __init__(
        self,
        channels: int = 1,
        height: int = 16,
        width: int = 16,
        *,
        output_size: int = 256,
        activation: str = "relu",
        dropout: float = 0.5,
    ):
        super().__init__()
        rows, columns = check_image(channels, height, width, halvings=3)
        check_share("dropout", dropout)
        self.output_size = output_size
        self.maps = nn.Sequential(
            nn.Conv2d(channels, 12, 5, padding=2),
            activation_of(activation),
            nn.LocalResponseNorm(5, k=2.0),
            nn.MaxPool2d(3, 2, padding=1),
            nn.Conv2d(12, 32, 5, padding=2),
            activation_of(activation),
            nn.LocalResponseNorm(5, k=2.0),
            nn.MaxPool2d(3, 2, padding=1),
            nn.Conv2d(32, 48, 3, padding=1),
            activation_of(activation),
            nn.Conv2d(48, 48, 3, padding=1),
            activation_of(activation),
            nn.Conv2d(48, 32, 3, padding=1),
            activation_of(activation),
            nn.AdaptiveMaxPool2d((rows, columns)),
        )
        self.full = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32 * rows * columns, output_size),
            activation_of(activation),
            nn.Dropout(dropout),
            nn.Linear(output_size, output_size),
            activation_of(activation),
        )
        draw_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, height, width)`` to vectors ``(N, output_size)``."""
        return self.full(self.maps(images))
