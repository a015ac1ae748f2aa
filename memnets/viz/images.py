"""Images of a batch, each under what is wanted of it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _fonts, _style
from memnets.viz._batches import to_numpy

LONGEST = 90
"""Characters of a text that are shown."""


def images_figure(images: Tensor, texts: Sequence[str]) -> Figure:
    """Draw images one below the other.

    Args:
        images: ``(B, C, H, W)`` from 0 to 1, of one channel or three.
        texts: what stands above each; of several lines the first.

    Returns:
        A figure with a panel an image.

    Raises:
        ValueError: there is no image, there is not one text for each, or images have other dimensions.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"images must have shape (B, C, H, W) with 1 or 3 channels, got {tuple(images.shape)}")
    if len(texts) != len(images):
        raise ValueError(f"there are {len(texts)} texts for {len(images)} images; give one each")
    pixels = to_numpy(images).transpose(0, 2, 3, 1)  # (B, H, W, C)
    wide = pixels.shape[2] > 2 * pixels.shape[1]
    figure = _style.new_figure(7 if wide else 4, 0.4 + len(images) * (1.3 if wide else 3.4), "Task batch")
    for panel, image, text in zip(figure.subplots(len(images), 1, squeeze=False)[:, 0], pixels, texts):
        panel.imshow(image.clip(0, 1), cmap="gray", vmin=0, vmax=1)
        first = text.partition("\n")[0]  # of several captions
        _style.label(panel, first if len(first) <= LONGEST else f"{first[:LONGEST]} ...")
        panel.set_xticks([])
        panel.set_yticks([])
    _fonts.use_fonts_for(figure, "".join(texts))
    return figure
