"""Residual networks, with and without their shortcuts."""

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from ..base.checks import check_whole
from .image_encoder import ImageEncoder, activation_of, check_image, draw_weights


class ResidualBlock(nn.Module):
    """Two convolutions of 3x3, or 1x1, 3x3 and 1x1 (a bottleneck), and a shortcut past them that has no parameters.

    Where maps become more the shortcut adds zeros for the new ones (option A), so that a network without shortcuts has
    exactly as many parameters.

    Args:
        before: maps that come in.
        after: maps that go out.
        stride: of the first 3x3 convolution.
        shortcut: whether there is one.
        bottleneck: whether the block is the bottleneck, whose 3x3 convolution has a quarter of the maps.
        activation: see :data:`memnets.vision.image_encoder.ACTIVATIONS`.

    Source:
        He et al. 2016, arXiv:1512.03385, equations 1 and 2 and figure 5.
    """

    def __init__(
        self, before: int, after: int, stride: int, *, shortcut: bool, bottleneck: bool, activation: str = "relu"
    ):
        super().__init__()
        inner = after // 4 if bottleneck else after
        sizes = [before, inner, inner, after] if bottleneck else [before, after, after]
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        strides = (1, stride, 1) if bottleneck else (stride, 1)
        layers: list[nn.Module] = []
        for (come, go), kernel, step in zip(itertools.pairwise(sizes), kernels, strides):
            convolution = nn.Conv2d(come, go, kernel, step, padding=kernel // 2, bias=False)
            layers += [convolution, nn.BatchNorm2d(go), activation_of(activation)]
        self.residual = nn.Sequential(*layers[:-1])
        self.activation = layers[-1]
        self.shortcut, self.stride, self.more = shortcut, stride, after - before

    def forward(self, x: Tensor) -> Tensor:
        """Maps ``(N, before, H, W)`` to maps ``(N, after, H / stride, W / stride)``, both rounded up."""
        residual = self.residual(x)
        if self.shortcut:
            residual = residual + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return self.activation(residual)


class ResNet(ImageEncoder):
    """A convolution and three stages of residual blocks; the second and third halve both sides and double the maps.

    Args:
        channels: of an image, 1 for grey.
        height: rows of an image.
        width: columns of an image.
        depth: layers, the last full one of a classifier counted: 2 more than a multiple of 6, or with ``bottleneck``
            of 9.
        maps: of the first stage; a multiple of 4 with ``bottleneck``, whose blocks give four times as many.
        shortcuts: whether blocks have them; without them the network is a plain one of the same parameters.
        bottleneck: blocks of 1x1, 3x3 and 1x1 convolutions.
        activation: "relu", as it was, "tanh", "softplus" or "leaky_relu".

    Raises:
        ValueError: a size or the activation is out of range.

    Source:
        He et al. 2016, "Deep residual learning for image recognition", arXiv:1512.03385, section 4.2.
    """

    def __init__(
        self,
        channels: int = 1,
        height: int = 16,
        width: int = 16,
        *,
        depth: int = 20,
        maps: int = 8,
        shortcuts: bool = True,
        bottleneck: bool = False,
        activation: str = "relu",
    ):
        super().__init__()
        check_image(channels, height, width, halvings=2)
        check_whole("maps", maps)
        layers = 9 if bottleneck else 6
        check_whole("depth", depth, layers + 2)
        if (depth - 2) % layers:
            near = (depth - 2) // layers * layers + 2
            raise ValueError(f"depth is {depth}, but must be 2 more than a multiple of {layers}: give {near}")
        self.stem = nn.Sequential(
            nn.Conv2d(channels, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), activation_of(activation)
        )
        blocks, before = [], maps
        for stage in range(3):
            after = maps * 2**stage * (4 if bottleneck else 1)
            for number in range((depth - 2) // layers):
                stride = 2 if stage and not number else 1
                blocks.append(
                    ResidualBlock(
                        before, after, stride, shortcut=shortcuts, bottleneck=bottleneck, activation=activation
                    )
                )
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.output_size = before
        draw_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, height, width)`` to vectors ``(N, output_size)``, the mean over all places."""
        return self.blocks(self.stem(images)).mean((2, 3))
