"""Convolutions that know where an image ends: padding is zero before each of them, as outside the image."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import column_mask


class MaskedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose training statistics leave padding out; in float32 at least, as half overflows.

    Source:
        Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1, over the valid pixels of the batch.
    """

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise maps (B, C, H, W); ``mask`` (B, W) is True at valid columns, None where all are."""
        if mask is None or not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        dtype = input.dtype
        input = input.float() if dtype in (torch.float16, torch.bfloat16) else input
        valid = mask[:, None, None].to(input.dtype)  # (B, 1, 1, W)
        count = valid.sum() * input.shape[2]
        mean = (input * valid).sum((0, 2, 3)) / count  # (C,)
        variance = ((input - mean[:, None, None]).square() * valid).sum((0, 2, 3)) / count
        with torch.no_grad():
            rate = 0.1 if self.momentum is None else self.momentum
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
            unbiased = variance * count / (count - 1).clamp(min=1)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), rate)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        result = input * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
        return result.to(dtype)


class ConvBlock(nn.Module):
    """Convolution 3x3, normalisation, ReLU; or, if ``residual``, two of them with a connection around (ResNet).

    Args:
        in_channels: of the maps taken.
        out_channels: of the maps given.
        residual: two convolutions and a shortcut (He et al. 2016, arXiv:1512.03385, figure 2) instead of one.
    """

    def __init__(self, in_channels: int, out_channels: int, *, residual: bool = False):
        super().__init__()
        sizes = [in_channels, out_channels, out_channels] if residual else [in_channels, out_channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False) for before, after in itertools.pairwise(sizes)
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(size) for size in sizes[1:])
        self.shortcut = None
        if residual:
            same = in_channels == out_channels
            self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, maps: Tensor, mask: Tensor | None = None) -> Tensor:
        """Maps (B, C, H, W), zero where ``mask`` (B, W) is False, to maps of the same size, zero there too."""
        x = maps
        for n, (convolve, normalise) in enumerate(zip(self.convolutions, self.norms)):
            x = normalise(convolve(x), mask)
            if self.shortcut is not None and n == len(self.norms) - 1:
                x = x + self.shortcut(maps)
            x = F.relu(x)
            x = x if mask is None else x * mask[:, None, None]
        return x


def pool(maps: Tensor, vertical: int, horizontal: int) -> Tensor:
    """Largest value of each cell; the last cell may be smaller, and zeros right of a line never win over ReLU's."""
    return F.max_pool2d(maps, (vertical, horizontal), ceil_mode=True)


def width_mask(widths: Tensor, columns: int) -> Tensor | None:
    """True at valid columns (B, columns), or None where all are."""
    return None if int(widths.min()) >= columns else column_mask(widths, columns)
