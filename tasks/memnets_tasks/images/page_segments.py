"""The lines of a clean page of print, cut out one by one; for columns side by side, tables and forms it is not made."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SMEAR = 2.0
"""Gaps within a line are narrower than that many heights of its letters."""

MARGIN = 0.3
"""Kept around a line, in heights of its letters."""

FEWEST = 8
"""Letters, and as many letters' heights of width, from which the bend of a line is judged."""


class LineBox(NamedTuple):
    """Where a line stands on a page: first column and row, and one past the last, in pixels."""

    left: int
    top: int
    right: int
    bottom: int


class CutLine(NamedTuple):
    """A line of a page: where it stands, and its image ``(h, w)``, made level where the paper was bent."""

    box: LineBox
    image: npt.NDArray[np.uint8]


def cut_lines(page: npt.NDArray[np.uint8]) -> list[CutLine]:
    """The lines of a page, from the top, each cut out along its own bend.

    Args:
        page: ``(H, W)``, as :func:`find_lines` takes it.

    Raises:
        ImportError: scikit-image is not installed.
    """
    return [CutLine(line.box, _level(page, line)) for line in _lines(page)]


def find_lines(page: npt.NDArray[np.uint8]) -> list[LineBox]:
    """Where the lines of a page stand, from the top, and from the left where two stand beside each other.

    Ink is told from paper by a threshold of its surroundings (Sauvola & Pietikainen 2000), and letters that stand
    beside each other are smeared into lines (Wong et al. 1982, run-length smoothing).

    Args:
        page: ``(H, W)``, dark ink on light paper or the other way round; upright.

    Raises:
        ImportError: scikit-image is not installed.
    """
    return [line.box for line in _lines(page)]


class _Found(NamedTuple):
    """A line: its box, the boxes of its letters, and the height of the page's letters."""

    box: LineBox
    letters: list[LineBox]
    height: float


def _lines(page: npt.NDArray[np.uint8]) -> list[_Found]:
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
    labels = np.asarray(measure.label(smeared, connectivity=2))
    parts = [(mark, labels[(mark.top + mark.bottom) // 2, (mark.left + mark.right) // 2]) for mark in marks]
    found = []
    for region in measure.regionprops(labels):
        near = [mark for mark, label in parts if label in (0, region.label)]  # and no letter of another line
        found.append(_around(_box(region), near, height, page.shape))
    kept = [
        line
        for line in found
        if line.box.bottom - line.box.top >= height / 2 and line.box.right - line.box.left >= height
    ]
    return _in_order(kept, height)


def _box(region: object) -> LineBox:
    top, left, bottom, right = region.bbox  # type: ignore[attr-defined]
    return LineBox(left, top, right, bottom)


def _around(line: LineBox, marks: Sequence[LineBox], height: float, shape: tuple[int, ...]) -> _Found:
    """The marks whose middle lies in a line or just above or below it, as dots and accents do."""
    own = [
        mark
        for mark in marks
        if line.top - 0.6 * height <= (mark.top + mark.bottom) / 2 <= line.bottom + 0.6 * height
        and line.left <= (mark.left + mark.right) / 2 <= line.right
        and mark.bottom - mark.top < 3 * height
    ] or [line]
    margin = round(MARGIN * height)
    box = LineBox(
        max(0, min(mark.left for mark in own) - margin),
        max(0, min(mark.top for mark in own) - margin // 2),
        min(shape[1], max(mark.right for mark in own) + margin),
        min(shape[0], max(mark.bottom for mark in own) + margin // 2),
    )
    return _Found(box, own, height)


def _in_order(lines: list[_Found], height: float) -> list[_Found]:
    rows: list[list[_Found]] = []
    for line in sorted(lines, key=lambda line: line.box.top + line.box.bottom):
        middle = (line.box.top + line.box.bottom) / 2
        if rows and abs(middle - (rows[-1][0].box.top + rows[-1][0].box.bottom) / 2) < height / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row)]


def _level(page: npt.NDArray[np.uint8], line: _Found) -> npt.NDArray[np.uint8]:
    """The image of a line whose baseline is made straight: each column moved up or down, rows between interpolated."""
    columns = np.arange(line.box.left, line.box.right)
    bend = _baseline(line)
    drop = bend(columns) - bend(columns.mean())  # rows that each column stands lower than the middle
    tops, bottoms, places = np.array([[mark.top, mark.bottom, (mark.left + mark.right) / 2] for mark in line.letters]).T
    above_base = (bend(places) - (tops + bottoms) / 2) / line.height
    own = (above_base > -0.6) & (above_base < 1.8)  # and no remains of the next line's
    own = own if own.any() else ~own
    tops, bottoms = (ends - bend(places) + bend(columns.mean()) for ends in (tops, bottoms))
    margin = max(1, round(MARGIN * line.height) // 2)
    top, bottom = tops[own].min() - margin, bottoms[own].max() + margin
    rows = np.arange(round(top), round(bottom))[:, None] + drop[None]  # (h, w), of the page
    rows = rows.clip(0, len(page) - 1)
    above = np.floor(rows).astype(int)
    below = np.minimum(above + 1, len(page) - 1)
    mixed = (1 - (rows - above)) * page[above, columns] + (rows - above) * page[below, columns]
    return mixed.round().astype(np.uint8)


def _baseline(line: _Found) -> np.polynomial.Polynomial:
    """What most letters stand on: a parabola through their lower ends, without those that hang below or float."""
    places = np.array([(mark.left + mark.right) / 2 for mark in line.letters])
    ends = np.array([mark.bottom for mark in line.letters], dtype=float)
    curve = level = np.polynomial.Polynomial([float(np.median(ends))])
    if len(places) < FEWEST or np.ptp(places) < FEWEST * line.height:
        return level
    kept = np.abs(ends - np.median(ends)) < line.height
    for _ in range(4):
        if kept.sum() < FEWEST:
            return level
        curve = np.polynomial.Polynomial.fit(places[kept], ends[kept], 2)
        kept = np.abs(ends - curve(places)) < line.height / 6 + 1
    return curve
