"""The lines of scikit-image's photographed page: real print, to be tested on and never trained on."""

import importlib.util
from functools import lru_cache
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt
import torch

from memnets.base.extras import require
from memnets_tasks._checks import check_at_least
from memnets_tasks.images.base import TextTask
from memnets_tasks.images.batches import TextLineBatch
from memnets_tasks.images.file_task import FileTask
from memnets_tasks.images.loading import pad_lines
from memnets_tasks.images.skipped_items import SkippedItems


class PageLine(NamedTuple):
    """Where a line stands on the page, in pixels.

    Attributes:
        text: What it says.
        left, right: Its first column, and one past the last.
        tops: Its first row at the left, in the middle and at the right, as the page is bent.
        rows: Its height.
    """

    text: str
    left: int
    right: int
    tops: tuple[float, float, float]
    rows: float


LINES = (
    PageLine("Region-based segmentation", 4, 296, (10, 10.5, 10.5), 24),
    PageLine("Let us first determine markers of the coins and the", 4, 379, (48, 50, 48.5), 18),
    PageLine("background. These markers are pixels that we can label", 4, 379, (65, 68, 65.5), 18),
    PageLine("unambiguously as either object or background. Here,", 4, 379, (82.5, 85.5, 83.5), 18),
    PageLine("the markers are found at the two extreme parts of the", 4, 379, (98.5, 103.5, 100), 18),
    PageLine("histogram of grey values:", 4, 174, (115, 119, 121), 18),
    PageLine(">>> markers = np.zeros_like(coins)", 16, 243, (165, 172, 174), 17),
)
CHARSET = "".join(sorted(set("".join(line.text for line in LINES))))


@final
class PageLines(FileTask, TextTask):
    """Read the seven lines of a photographed page, 25 to 54 characters long; a test, too few to be trained on.

    The page is ``skimage.data.page()``, part of the library scikit-image: print of some 17 rows a line, bent, blurred
    and unevenly lit. Each line is cut out along its bend and brought to the task's height. Drawn with replacement;
    ``batches`` gives each once.

    Args:
        height: Rows of the images, in pixels, at least 8.
        charset: Characters that a reader knows; all of those on the page must be in it. None for just these.

    Raises:
        ImportError: If scikit-image is not installed.
        ValueError: If ``height`` is too small, or the charset lacks a character.
    """

    split = "test"

    def __init__(self, *, height: int = 32, charset: str | None = None) -> None:
        check_at_least("height", height, 8)
        if missing := _missing(charset or CHARSET):
            raise ValueError(f"charset lacks {missing!r}, which the page has; give it these, or None")
        self.height, self.charset = height, charset or CHARSET
        self._page = _page()
        self._skipped = SkippedItems("skimage.data.page()")
        lengths = [len(line.text) for line in LINES]
        self._set_items(
            [line.text for line in LINES],
            lengths,
            min_length=None,
            max_length=None,
            evaluation_lengths=tuple(sorted(set(lengths))),
        )

    def _decode(self, position: int) -> npt.NDArray[np.uint8]:
        return unbend(self._page, LINES[position], self.height)

    def _batch(self, positions: list[int], images: list[npt.NDArray[np.uint8]]) -> TextLineBatch:
        texts = tuple(LINES[position].text for position in positions)
        return TextLineBatch(*pad_lines(images), texts, torch.zeros(len(images), 0, 2))


def unbend(page: npt.NDArray[np.uint8], line: PageLine, height: int) -> npt.NDArray[np.uint8]:
    """A line ``(height, w)`` cut out of the page ``(H, W)``, its left and its right half each as a quadrilateral."""
    require("PIL", purpose="reading images")

    from PIL import Image

    width = round((line.right - line.left) * height / line.rows)
    middle = (line.left + line.right) / 2
    columns, places = (line.left, middle, line.right), (0, width // 2, width)
    pieces = []
    for side in (0, 1):
        (x0, x1), (y0, y1) = columns[side : side + 2], line.tops[side : side + 2]
        corners = (x0, y0, x0, y0 + line.rows, x1, y1 + line.rows, x1, y1)  # from the upper left, down and around
        pieces.append(((places[side], 0, places[side + 1], height), corners))
    bicubic = Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(page).transform((width, height), Image.Transform.MESH, pieces, bicubic))


def page_lines(height: int, charset: str) -> PageLines | None:
    """The page for readers of a charset; None where that lacks a character, or scikit-image is not installed."""
    if _missing(charset) or importlib.util.find_spec("skimage") is None:
        return None
    return PageLines(height=height, charset=charset)


def _missing(charset: str) -> str:
    """The page's characters that a charset lacks."""
    return "".join(sorted(set(CHARSET) - set(charset)))


@lru_cache(maxsize=1)
def _page() -> npt.NDArray[np.uint8]:
    require("skimage", purpose="PageLines")

    from skimage import data

    return np.asarray(data.page())
