"""Convolutions that know where an image ends: padding is zero before each of them, as outside the image."""

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import column_mask


class _Take(torch.autograd.Function):
    """Some rows of a matrix, each at most once; ``index_select``'s own gradient adds, which is slower."""

    generate_vmap_rule = True

    @staticmethod
    def forward(rows: Tensor, chosen: Tensor) -> Tensor:
        return rows.index_select(0, chosen)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        rows, chosen = inputs
        ctx.count = len(rows)
        ctx.save_for_backward(chosen)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Put.apply(*gradients, *ctx.saved_tensors, ctx.count), None


class _Put(torch.autograd.Function):
    """The rows back in a matrix of ``count``, the others zero."""

    generate_vmap_rule = True

    @staticmethod
    def forward(rows: Tensor, chosen: Tensor, count: int) -> Tensor:
        return rows.new_zeros(count, rows.shape[1]).index_copy_(0, chosen, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, chosen, ctx.count = inputs
        ctx.save_for_backward(chosen)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Take.apply(*gradients, *ctx.saved_tensors), None, None


def take_pixels(maps: Tensor, valid: Tensor | None) -> Tensor:
    """Pixels of maps (B, C, H, W) as rows (N, C): those of ``valid`` (N,), or all."""
    rows = maps.permute(0, 2, 3, 1).flatten(0, 2)  # free for maps in channels_last
    return rows if valid is None else _Take.apply(rows, valid)


def put_pixels(rows: Tensor, valid: Tensor | None, maps: Tensor) -> Tensor:
    """Rows (N, C) as maps (B, C, H, W) in channels_last, of the size of ``maps``; zero but at ``valid``."""
    sizes = maps.shape[0], *maps.shape[2:]
    rows = rows if valid is None else _Put.apply(rows, valid, sizes[0] * sizes[1] * sizes[2])
    return rows.unflatten(0, sizes).permute(0, 3, 1, 2)


class ConvBlock(nn.Module):
    """Convolution 3x3, batch normalisation, ReLU; or, if ``residual``, two of them with a connection around (ResNet).

    Args:
        in_channels: of the maps taken.
        out_channels: of the maps given.
        residual: two convolutions and a shortcut (He et al. 2016, arXiv:1512.03385, figure 2) instead of one.

    Between convolutions it goes over the valid pixels only, as rows of a matrix: padding, which may be half of a batch
    of lines, has no part in the statistics and costs little time.

    Source:
        Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1, over the valid pixels of the batch.
    """

    def __init__(self, in_channels: int, out_channels: int, *, residual: bool = False):
        super().__init__()
        sizes = [in_channels, out_channels, out_channels] if residual else [in_channels, out_channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False) for before, after in itertools.pairwise(sizes)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in sizes[1:])
        self.shortcut = None
        if residual:
            same = in_channels == out_channels
            self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, maps: Tensor, mask: Tensor | None = None) -> Tensor:
        """Maps (B, C, H, W), zero where ``mask`` (B, W) is False, to maps of the same size, zero there too."""
        valid = None
        if mask is not None and not torch.compiler.is_exporting():
            valid = mask.unsqueeze(1).expand(-1, maps.shape[2], -1).flatten().nonzero().squeeze(1)
        x = maps
        for n, (convolve, normalise) in enumerate(zip(self.convolutions, self.norms)):
            x = convolve(x)
            rows = normalise(take_pixels(x, valid))
            if self.shortcut is not None and n == len(self.norms) - 1:
                rows = rows + take_pixels(self.shortcut(maps), valid)
            x = put_pixels(F.relu(rows, inplace=True), valid, x)
            if mask is not None and valid is None:  # a graph has no part whose size hangs on values
                x = x * mask[:, None, None].to(x.dtype)
        return x


def pool(maps: Tensor, vertical: int, horizontal: int) -> Tensor:
    """Largest value of each cell; the last cell may be smaller, and zeros right of a line never win over ReLU's."""
    return F.max_pool2d(maps, (vertical, horizontal), ceil_mode=True)


def width_mask(widths: Tensor, columns: int) -> Tensor | None:
    """True at valid columns (B, columns), or None where all are."""
    if not torch.compiler.is_exporting() and int(widths.min()) >= columns:
        return None
    return column_mask(widths, columns)
