"""A convolutional encoder of text lines."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..base.checks import check_whole
from ..recurrent.torch_layers import LSTM
from .base import Columns, LineEncoder, check_line
from .blocks import ConvBlock, pool, width_mask


class ColumnEncoder(LineEncoder):
    """Text lines to one vector of features every few pixels, small enough for a CPU.

    A stage is a block of 3x3 convolutions and a pooling that halves the height, and in the first stages the width
    as well; what height is left is collapsed by one last convolution. With the defaults a column sees 26 pixels of
    the line: what it says of a character does not depend on where in the line that stands.

    What is right of a line's width never changes its columns: it is set to zero before each convolution, as the
    image's surroundings are, and training statistics leave it out.

    Args:
        height: H of the images, pixels.
        in_channels: 1 for grey, 3 for colour.
        channels: of each stage; one of four for 32 pixels, three for 16.
        output_size: D, features of a column.
        pixels_per_column: 1, 2, 4, ...: horizontal poolings are in the first stages.
        residual: ResNet blocks (two convolutions and a shortcut) in place of VGG's single ones.
        recurrent_size: units in each direction of a bidirectional LSTM over the columns; 0 for none. It makes
            columns depend on the whole line, which helps CTC and harms reading lines longer than those trained on.

    Raises:
        ValueError: a size is below its minimum, or ``pixels_per_column`` is no power of 2 that the stages reach.

    Source:
        The convolutional part of Shi et al. 2015 (CRNN), arXiv:1507.05717, in small.
    """

    def __init__(
        self,
        *,
        height: int = 32,
        in_channels: int = 1,
        channels: Sequence[int] | None = None,
        output_size: int = 192,
        pixels_per_column: int = 4,
        residual: bool = False,
        recurrent_size: int = 0,
    ):
        super().__init__()
        if channels is None:
            channels = (24, 48, 96, 128) if height > 20 else (16, 32, 64)
        for name, value in (("height", height), ("in_channels", in_channels), ("output_size", output_size)):
            check_whole(name, value)
        check_whole("recurrent_size", recurrent_size, 0)
        if not channels:
            raise ValueError("channels is empty, but needs the channels of at least one stage")
        for value in channels:
            check_whole("channels: a stage", value)
        halvings = _halvings(pixels_per_column, len(channels))
        self.height = height
        self.in_channels = in_channels
        self.pixels_per_column = pixels_per_column
        self.output_size = output_size
        self.stages = nn.ModuleList(
            ConvBlock(before, after, residual=residual) for before, after in zip([in_channels, *channels], channels)
        )
        self.poolings = [(2, 2 if n < halvings else 1) for n in range(len(channels))]
        left = -(-height // 2 ** len(channels))
        self.collapse = nn.Conv2d(channels[-1], output_size, (left, 1))
        self.recurrent = None
        if recurrent_size:
            self.recurrent = nn.ModuleList(LSTM(output_size, recurrent_size) for _ in ("forward", "backward"))
            self.join = nn.Linear(2 * recurrent_size, output_size)

    def forward(self, images: Tensor, widths: Tensor) -> Columns:
        """Columns of a batch of lines.

        Args:
            images: ``(B, in_channels, height, W)``, padded on the right with anything finite.
            widths: ``(B,)`` integers within 1..W, the valid pixels.

        Returns:
            Features ``(B, ceil(W / pixels_per_column), D)`` and counts ``ceil(widths / pixels_per_column)``.

        Raises:
            ValueError: the images are of another height or number of channels, or widths do not fit them.
        """
        check_line(images, widths)
        widths = widths.long()  # in a byte, rounding up would pass its largest number
        if images.shape[1:3] != (self.in_channels, self.height):
            raise ValueError(
                f"images has {images.shape[1]} channels and height {images.shape[2]}, but the encoder was made with "
                f"in_channels={self.in_channels}, height={self.height}: resize the images, or make another encoder"
            )
        mask = width_mask(widths, images.shape[3])
        x = images if mask is None else images.masked_fill(~mask[:, None, None], 0)
        x = x.contiguous(memory_format=torch.channels_last)
        for block, (vertical, horizontal) in zip(self.stages, self.poolings):
            x = pool(block(x, mask), vertical, horizontal)
            widths = -(-widths // horizontal)
            mask = width_mask(widths, x.shape[3])
        features = self.collapse(x).squeeze(2).transpose(1, 2)  # (B, C, D)
        if self.recurrent is not None:
            features = self._recur(torch.relu(features), widths)
        return Columns(features if mask is None else features * mask.unsqueeze(-1), widths)

    def _recur(self, features: Tensor, counts: Tensor) -> Tensor:
        """Both directions over the valid columns (B, C, D); the backward one starts at each line's own end."""
        assert self.recurrent is not None
        ahead, back = self.recurrent
        place = torch.arange(features.shape[1], device=features.device)  # (C,)
        reverse = torch.where(place < counts[:, None], counts[:, None] - 1 - place, place).unsqueeze(-1)  # (B, C, 1)
        reverse = reverse.expand(-1, -1, features.shape[2])
        flipped = features.gather(1, reverse)
        lengths = None if torch.compiler.is_exporting() else counts  # what is after the valid columns changes none
        there, again = ahead(features, lengths=lengths)[0], back(flipped, lengths=lengths)[0]
        again = again.gather(1, reverse[..., :1].expand(-1, -1, again.shape[2]))
        return self.join(torch.cat([there, again], dim=-1))


def _halvings(pixels_per_column: int, stages: int) -> int:
    """How often the width is halved."""
    halvings = int(pixels_per_column).bit_length() - 1
    if pixels_per_column < 1 or 2**halvings != pixels_per_column or halvings > stages:
        raise ValueError(
            f"pixels_per_column is {pixels_per_column}, but must be a power of 2 and at most 2 to the number of "
            f"stages, {2**stages}"
        )
    return halvings
