"""Weightings for the terminal, in plain characters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from memnets.viz._data import traced, used_slots
from memnets.viz._style import peak_limits

SHADES = " ░▒▓█"
LINES = 40


def weightings_text(trace: Mapping[str, Tensor], index: int = 0, width: int = 76) -> str:
    """Write and read weightings as a small picture of shade characters, slots down and time across.

    Where there are more slots or steps than characters, a character shows the largest weight among
    those it stands for. The stretch of slots is the one `weightings_figure` shows.

    Args:
        trace: holds read_weights (B,T,R,N), write_weights (B,T,W,N) and lengths (B,).
        index: which sequence of the batch.
        width: characters a line at most.

    Returns:
        Lines joined by newlines, at most 40 of them for up to twelve heads.

    Raises:
        KeyError: the trace lacks a record.
        IndexError: the batch has no sequence `index`.
        ValueError: `width` is below 40.
    """
    write, read = traced(trace, "write_weights", index), traced(trace, "read_weights", index)
    shown = used_slots(write, read)
    digits = len(str(shown.max()))
    if width < 40:
        raise ValueError(f"width must be at least 40 characters, got {width}")
    heads = [("write", head, write[:, head]) for head in range(write.shape[1])]
    heads += [("read", head, read[:, head]) for head in range(read.shape[1])]
    rows = _cells(shown, max(2, (LINES - 2) // len(heads) - 1))
    steps = _cells(np.arange(len(write)), width - digits - 3)
    peak = peak_limits(write, read)[1]

    lines = [f"weight 0 '{SHADES}' {peak:.2g}; {_size(rows, 'slot')} down, {_size(steps, 'step')} across"]
    for kind, head, weights in heads:
        cells = _largest(weights, rows, steps) / peak
        lines.append(f"{kind} head {head}")
        lines += [f"{row[0]:>{digits}} |{_shade(line)}|" for row, line in zip(rows, cells)]
    lines.append(" " * (digits + 2) + _time_axis(len(write), len(steps)))
    return "\n".join(line[:width] for line in lines)


def _cells(numbers: np.ndarray, most: int) -> list[np.ndarray]:
    """Groups of neighbours, all of one size but the last, at most `most` of them."""
    size = -(-len(numbers) // most)
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def _largest(weights: np.ndarray, rows: list[np.ndarray], steps: list[np.ndarray]) -> np.ndarray:
    """The largest weight of weights (L,N) in each cell (rows, steps)."""
    over_slots = np.stack([weights[:, row].max(axis=1) for row in rows])  # (rows,L)
    return np.stack([over_slots[:, step].max(axis=1) for step in steps], axis=1)


def _size(cells: list[np.ndarray], name: str) -> str:
    return f"{name}s" if len(cells[0]) == 1 else f"{name}s ({len(cells[0])} a character)"


def _shade(values: np.ndarray) -> str:
    levels = np.nan_to_num(values * (len(SHADES) - 1)).round().clip(0, len(SHADES) - 1).astype(int)
    return "".join(SHADES[level] for level in levels)


def _time_axis(steps: int, columns: int) -> str:
    """The first and last step under the ends of a picture `columns` characters wide."""
    last = str(steps - 1)
    return "0" if steps == 1 else "0" + last.rjust(columns - 1)
