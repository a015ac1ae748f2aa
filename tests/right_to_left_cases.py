"""Lines of Hebrew and Arabic as a text engine sets them: joined, turned, numbers from the left."""

import random
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont, features

from memnets_tasks.images import TextLineBatch
from memnets_tasks.images.loading import pad_lines

FONTS = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),  # Debian's fonts-dejavu-core
    Path(matplotlib.__file__).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf",
)
HEBREW, ARABIC = "אבשת", "سمكه"

needs_raqm = pytest.mark.skipif(
    not features.check("raqm"), reason="Pillow has no Raqm, which sets lines from the right"
)


def font(size: int) -> ImageFont.FreeTypeFont:
    path = next(path for path in FONTS if path.is_file())
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.RAQM)


def from_the_right(text: str) -> bool:
    """Whether most letters of a text are, or as many."""
    kinds = [unicodedata.bidirectional(character) for character in text]
    right = sum(kind in ("R", "AL") for kind in kinds)
    return right > 0 and right >= kinds.count("L")


def set_line(text: str, direction: str, size: int = 13, height: int = 16) -> np.ndarray:
    """The image (height, w) of a text in logical order, each glyph by its own advance."""
    face = font(size)
    options = {"direction": direction, "features": ["-kern", "-liga"]}
    image = Image.new("L", (int(face.getlength(text, **options)) + 6, height))
    ImageDraw.Draw(image).text((3, 0), text, fill=255, font=face, **options)
    return np.asarray(image)


def lines_from_the_right(count: int, seed: int) -> TextLineBatch:
    """Letters, a number of two digits, letters; of Hebrew and of Arabic in turn, labels in logical order."""
    chosen = random.Random(seed)
    texts = []
    for n in range(count):
        letters = (HEBREW, ARABIC)[n % 2]
        before, after = ("".join(chosen.sample(letters, chosen.randint(1, 3))) for _ in range(2))
        texts.append(before + "".join(chosen.choices("12", k=2)) + after)
    images, widths = pad_lines([set_line(text, "rtl") for text in texts])
    return TextLineBatch(images, widths, tuple(texts), torch.zeros(count, 0, 2))
