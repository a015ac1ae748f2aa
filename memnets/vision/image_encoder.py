"""What the convolutional encoders of whole images share: images to one vector each."""

import abc

from torch import Tensor, nn

from ..base.checks import check_whole
from ..base.modes import check_choice

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "leaky_relu": nn.LeakyReLU,
}


class ImageEncoder(nn.Module, abc.ABC):
    """Images ``(N, channels, height, width)`` to vectors ``(N, output_size)``.

    Attributes:
        output_size: numbers of a vector.
        side_size: numbers of what an encoder gives for an auxiliary classifier, half way; 0 where it gives none.
    """

    output_size: int
    side_size: int = 0

    @abc.abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """The vectors."""

    def with_side(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors, and what there is half way ``(N, side_size)``, of encoders whose ``side_size`` is not 0."""
        raise NotImplementedError(f"{type(self).__name__} has no auxiliary classifier: its side_size is 0")


def activation_of(name: str) -> nn.Module:
    """A new module of one of :data:`ACTIVATIONS`; ValueError for another name."""
    check_choice("activation", name, tuple(ACTIVATIONS))
    return ACTIVATIONS[name]()


def draw_weights(encoder: nn.Module) -> None:
    """Weights whose spread keeps that of what comes in through many layers of ReLU (He et al. 2015, equation 10)."""
    for part in encoder.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def check_image(channels: int, height: int, width: int, halvings: int) -> tuple[int, int]:
    """The rows and columns that are left after so many halvings, rounded down.

    Raises:
        ValueError: a size below 1, or none is left.
        TypeError: a size that is no whole number.
    """
    check_whole("channels", channels)
    for name, value in (("height", height), ("width", width)):
        check_whole(name, value, 2**halvings)
    return height // 2**halvings, width // 2**halvings
