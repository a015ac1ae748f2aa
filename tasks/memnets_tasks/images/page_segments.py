"""The lines of a clean page of print, cut out one by one; for columns side by side, tables and forms it is not made."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SMEAR = 2.0
"""Gaps within a line are narrower than that many heights of its letters."""

MARGIN = 0.3
"""Kept around a line, in heights of its letters."""


class LineBox(NamedTuple):
    """Where a line stands on a page: first column and row, and one past the last, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def find_lines(page: npt.NDArray[np.uint8]) -> list[LineBox]:
    """The lines of a page, from the top, and from the left where two stand beside each other.

    Ink is told from paper by a threshold of its surroundings (Sauvola & Pietikainen 2000), and letters that stand
    beside each other are smeared into lines (Wong et al. 1982, run-length smoothing).

    Args:
        page: ``(H, W)``, dark ink on light paper or the other way round; upright.

    Raises:
        ImportError: scikit-image is not installed.
    """
    try:
        from skimage import filters, measure
    except ImportError as error:
        raise ImportError("pages need scikit-image; install memnets[images]") from error
    dark = page if np.median(page) > 127 else 255 - page
    window = min(2 * (min(dark.shape) // 16) + 1, 101)
    ink = dark < filters.threshold_sauvola(dark, window_size=max(window, 15), k=0.2)
    marks = [_box(region) for region in measure.regionprops(measure.label(ink, connectivity=2)) if region.area > 3]
    letters = [mark for mark in marks if mark.bottom - mark.top > 3 and mark.bottom - mark.top < len(page) / 3]
    if not letters:
        return []
    height = float(np.median([letter.bottom - letter.top for letter in letters]))
    smeared = np.zeros_like(ink)
    for mark in letters:  # each letter as a bar about its middle, so that lines whose letters touch stay apart
        if mark.bottom - mark.top < 4 * height:
            middle, half = (mark.top + mark.bottom) / 2, max(1.0, height / 4)
            reach = round(SMEAR * height / 2)
            smeared[int(middle - half) : int(middle + half) + 1, max(0, mark.left - reach) : mark.right + reach] = True
    lines = [_box(region) for region in measure.regionprops(measure.label(smeared, connectivity=2))]
    found = [_around(line, marks, height, page.shape) for line in lines]
    kept = [box for box in found if box.bottom - box.top >= height / 2 and box.right - box.left >= height]
    return _in_order(kept, height)


def _box(region: object) -> LineBox:
    top, left, bottom, right = region.bbox  # type: ignore[attr-defined]
    return LineBox(left, top, right, bottom)


def _around(line: LineBox, marks: Sequence[LineBox], height: float, shape: tuple[int, ...]) -> LineBox:
    """The box of the marks whose middle lies in a line or just above or below it, as dots and accents do."""
    own = [
        mark
        for mark in marks
        if line.top - 0.6 * height <= (mark.top + mark.bottom) / 2 <= line.bottom + 0.6 * height
        and line.left <= (mark.left + mark.right) / 2 <= line.right
        and mark.bottom - mark.top < 3 * height
    ] or [line]
    margin = round(MARGIN * height)
    return LineBox(
        max(0, min(mark.left for mark in own) - margin),
        max(0, min(mark.top for mark in own) - margin // 2),
        min(shape[1], max(mark.right for mark in own) + margin),
        min(shape[0], max(mark.bottom for mark in own) + margin // 2),
    )


def _in_order(boxes: list[LineBox], height: float) -> list[LineBox]:
    rows: list[list[LineBox]] = []
    for box in sorted(boxes, key=lambda box: box.top + box.bottom):
        middle = (box.top + box.bottom) / 2
        if rows and abs(middle - (rows[-1][0].top + rows[-1][0].bottom) / 2) < height / 2:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [box for row in rows for box in sorted(row)]
