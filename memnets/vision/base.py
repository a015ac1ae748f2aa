"""What a reader asks of an encoder of text lines."""

import abc
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .freezing import Frozen


class Columns(NamedTuple):
    """A batch of lines as sequences: ``features (B, C, D)``, zero past ``counts (B,)``, the valid columns of each."""

    features: Tensor
    counts: Tensor


class LineEncoder(nn.Module, abc.ABC):
    """Images of text lines to columns; what stands right of a line's width must not change its columns.

    Attributes:
        output_size: D, features of a column.
    """

    output_size: int

    @abc.abstractmethod
    def forward(self, images: Tensor, widths: Tensor) -> Columns:
        """Images (B, channels, H, W) and the valid pixels (B,) of each to columns."""


def column_mask(counts: Tensor, columns: int) -> Tensor:
    """True at the valid columns: counts (B,) to (B, columns)."""
    return torch.arange(columns, device=counts.device) < counts.unsqueeze(1)


def check_line(images: Tensor, widths: Tensor) -> None:
    """Raise ValueError unless images are (B, channels, H, W) and widths (B,) lie within 1..W."""
    if images.dim() != 4 or not images.numel():
        raise ValueError(f"images has shape {tuple(images.shape)}, but must be (batch, channels, height, width)")
    check_floating(images)
    if not isinstance(widths, Tensor):
        raise TypeError(f"widths is a {type(widths).__name__}, but must be a tensor: the valid pixels of each image")
    if widths.shape != images.shape[:1]:
        raise ValueError(
            f"widths has shape {tuple(widths.shape)}, but must be ({len(images)},): the valid pixels of each image"
        )
    if widths.is_floating_point() or widths.dtype == torch.bool:
        raise ValueError(f"widths has dtype {widths.dtype}, but must hold integers")
    if torch.compiler.is_exporting():
        return  # what follows looks at values, and a graph has none
    smallest, largest = int(widths.min()), int(widths.max())
    if smallest < 1 or largest > images.shape[3]:
        wrong = smallest if smallest < 1 else largest
        raise ValueError(f"widths holds {wrong}, but must lie within 1..{images.shape[3]}, the width of the images")


def check_floating(images: Tensor) -> None:
    """Raise ValueError unless images hold floating point numbers: bytes from 0 to 255 would pass in silence."""
    if not images.is_floating_point():
        raise ValueError(f"images has dtype {images.dtype}, but must be floating point: divide bytes by 255")


def check_features(encoder: nn.Module, given: int, size: int) -> None:
    """Raise ValueError unless the features ``given`` by an encoder have the size the decoder was made for."""
    if given != size:
        raise ValueError(
            f"{type(encoder).__name__} gave {given} features a place, but the model was made for {size}: "
            f"make it with feature_size={given}"
        )


def _inner(encoder: nn.Module) -> nn.Module:
    """The module that was frozen, compiled by torch, or both."""
    while True:
        inner = encoder.module if isinstance(encoder, Frozen) else getattr(encoder, "_orig_mod", encoder)
        if inner is encoder:
            return encoder
        encoder = inner


def encode_line(encoder: nn.Module, images: Tensor, widths: Tensor) -> Columns:
    """Columns from any encoder: one of this library's, or any module that makes maps of images.

    A map ``(B, D, h, w)`` is averaged over its height, and an image of width p of W has ``ceil(p * w / W)`` valid
    columns. So ``torch.nn.Identity()`` takes features computed beforehand, ``(B, D, 1, C)`` with the number of
    columns as widths. A foreign module may let what is right of a line reach its last columns.

    Args:
        encoder: a :class:`LineEncoder`, or a module that takes images alone.
        images: ``(B, channels, H, W)``, padded on the right.
        widths: ``(B,)`` integers within 1..W.

    Returns:
        Features (B, C, D), zero at padding, and counts (B,).

    Raises:
        ValueError: the images, the widths or the encoder's result have another shape or range.
    """
    check_line(images, widths)
    if isinstance(_inner(encoder), LineEncoder):
        return encoder(images, widths)
    maps = encoder(images)
    if not isinstance(maps, Tensor) or maps.dim() != 4 or len(maps) != len(images):
        got = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(f"{type(encoder).__name__} gave {got} for {len(images)} images, but must give (B, D, h, w)")
    columns = maps.shape[3]
    counts = -(-widths.long() * columns // images.shape[3])
    features = maps.mean(2).transpose(1, 2)  # (B, C, D)
    return Columns(features * column_mask(counts, columns).unsqueeze(-1), counts)
