"""Image files to arrays, safely: whatever a file holds, the result is an array or a reason."""

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from memnets.base.extras import require
from memnets.base.regular_files import UnusableFile

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF", "TIFF", "WEBP")
"""Formats that are opened, whatever a file is named; PPM stands for PBM, PGM and PNM too. Pillow knows others, of which
EPS starts a program, and some are read by code that few use."""

MAX_BYTES = 2**28
"""Larger image files are not read: a quarter of a gigabyte."""

MAX_PIXELS = 50_000_000
"""Larger images are refused before they are decoded."""

MAX_ASPECT = 1000
"""Images that many times as long as wide, or as wide as long, are refused before they are decoded."""

MAX_PASSES = 10
"""Most times that a file may store each of ``MAX_PIXELS`` pixels: a progressive JPEG has some ten scans, and a damaged
one thousands."""


ONE_GREY = 96
"""Ink alone has greys that differ by less."""

FLAT = 8
"""An image whose greys differ by less than that, of 256, is blank."""


class UnreadableImage(ValueError):
    """An image that cannot be used.

    Attributes:
        reason: Why, in words that are the same for all such images.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason = reason

    @classmethod
    def of_file(cls, error: UnusableFile) -> "UnreadableImage":
        """That an image's file is not read."""
        made = cls(f"image {error.reason}")
        made.args = (f"image {error}",)
        return made


def decode(data: bytes) -> "Image":
    """The first picture of an image file, upright, in mode "L", "RGB", "LA" or "RGBA".

    Raises:
        UnreadableImage: If the data is of none of ``FORMATS``, damaged, cut short, or larger than the bounds above.
    """
    require("PIL", purpose="reading images")

    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise UnreadableImage("empty image file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata; damaged pixels raise
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(image.width, image.height)
            _check_passes(image, data)
            image.load()
            bits = 16 if image.mode.startswith("I;") or image.format in ("PNG", "PPM") else 32
            return _common_mode(ImageOps.exif_transpose(image), bits)
    except UnreadableImage:
        raise
    except UnidentifiedImageError:  # its message is of the bytes' address
        raise UnreadableImage(
            "image cannot be decoded", f"it is none of {', '.join(FORMATS)}; save it as PNG"
        ) from None
    except Image.DecompressionBombError as error:
        raise UnreadableImage("image too large", str(error)) from error
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise UnreadableImage("image cannot be decoded", str(error) or type(error).__name__) from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableImage("image too large", f"{width} x {height} pixels, above {MAX_PIXELS}")
    if max(width, height) > MAX_ASPECT * min(width, height):  # a side of 0 too
        raise UnreadableImage(f"image more than {MAX_ASPECT} times as long as wide", f"{width} x {height} pixels")


def _check_passes(image: "Image", data: bytes) -> None:
    """Refuse a file that has its decoder go over the pixels again and again."""
    stored = sum((x1 - x0) * (y1 - y0) for _, (x0, y0, x1, y1), *_ in getattr(image, "tile", ()))
    if "JPEG" in (image.format or "") or image.format == "MPO" or "jpeg" in str(image.info.get("compression")):
        stored = max(stored, data.count(b"\xff\xda") * image.width * image.height)  # the mark at a scan's start
    if stored > MAX_PASSES * MAX_PIXELS:
        raise UnreadableImage("image stored too many times", f"{stored} pixels to decode")


def _common_mode(image: "Image", bits: int) -> "Image":
    """The image in one of four modes; one of integers wider than a byte has at most ``bits`` bits a pixel."""
    require("PIL", purpose="reading images")

    from PIL import Image

    if image.mode.startswith("I"):  # which convert("L") would clip to white
        return Image.fromarray(_top_byte(np.asarray(image), bits))
    if image.mode == "F":  # which convert("L") would clip to 0 and 1
        return Image.fromarray(_grey_bytes(np.asarray(image)))
    if image.mode in ("L", "RGB", "LA", "RGBA"):
        return image
    if image.mode in ("P", "PA") or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")


def _top_byte(values: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    """Greys of 16 bits, or of the 10, 12 or 14 of them that a camera or scanner fills; of 32 bits those of as few whole
    bytes as hold the largest, 31 bits counting as whole.
    """
    largest = 2**32 - 1 if values.min() < 0 else int(values.max())  # Pillow takes unsigned ones for signed
    filled = ((10, 12, 14, 16) if largest > 255 else (16,)) if bits == 16 else (8, 16, 31, 32)
    white = next(2**size - 1 for size in filled if largest < 2**size)
    greys = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), 256):  # in parts, as eight bytes a pixel are many
        greys[row : row + 256] = values[row : row + 256].astype(np.int64) % 2**32 * 255 // white
    return greys


def _grey_bytes(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Floating point greys from 0 to 1, or, where any is above that, from 0 to 255."""
    if not np.isfinite(values).all():
        raise UnreadableImage("image holds NaN or infinity")
    scale = 255 if values.max() <= 1 else 1
    return (np.clip(values * scale, 0, 255)).round().astype(np.uint8)


def _opaque(image: "Image", mode: str) -> "Image":
    """In the mode "L" or "RGB", what is transparent on the paper that :func:`_paper` finds."""
    require("PIL", purpose="reading images")

    from PIL import Image

    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        grey = _paper(np.asarray(image.convert("L")), np.asarray(image.getchannel("A")))
        image = Image.alpha_composite(Image.new("RGBA", image.size, (grey, grey, grey, 255)), image)
    return image.convert(mode)


def _paper(greys: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> int:
    """The grey, white or black, of the paper behind what is transparent.

    Where what can be seen is of about one grey, it is ink, and the paper is what contrasts with it. Where it is of
    several, as a scan with transparent corners is, the paper is among it: as light or as dark as most of that.
    """
    seen = greys[alpha > 127]
    seen = seen if len(seen) else greys[alpha > 0]
    if not len(seen):
        return 255
    low, middle, high = np.percentile(seen, (5, 50, 95))
    alone = high - low < ONE_GREY or 2 * len(seen) < greys.size
    return 255 if (middle > 127) != alone else 0


def grey_line(
    data: bytes,
    height: int,
    max_width: int,
    crop: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]] | None = None,
) -> npt.NDArray[np.uint8]:
    """A line of text ``(height, w)``, its aspect kept; of what ``crop`` leaves of the whole image, if it is given.

    Raises:
        UnreadableImage: If it cannot be decoded, or is wider than ``max_width`` at that height.
    """
    require("PIL", purpose="reading images")

    from PIL import Image

    image = _opaque(decode(data), "L")
    image = image if crop is None else Image.fromarray(crop(np.asarray(image)))
    width = max(1, round(image.width * height / image.height))
    if width > max_width:
        detail = f"it would be {width} at height {height}; part it, or make the task with a larger max_width"
        raise UnreadableImage(f"image wider than max_width, {max_width} pixels", detail)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def grey_page(data: bytes) -> npt.NDArray[np.uint8]:
    """A picture in grey, of its own size; raises UnreadableImage if it cannot be decoded or is blank."""
    return check_ink(np.asarray(_opaque(decode(data), "L")))


def check_ink(line: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A line as it is; raises UnreadableImage where all of it is of one grey."""
    if int(line.max()) - int(line.min()) < FLAT:
        raise UnreadableImage("image is blank", f"all of it is of one grey, {int(line[0, 0])} of 255")
    return line


def colour_square(data: bytes, size: int) -> npt.NDArray[np.uint8]:
    """The middle square of a picture, ``(size, size, 3)``.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    require("PIL", purpose="reading images")

    from PIL import Image, ImageOps

    image = _opaque(decode(data), "RGB")
    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR))


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """A PNG file of an image ``(H, W)`` or ``(H, W, 3)``."""
    require("PIL", purpose="reading images")

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()
