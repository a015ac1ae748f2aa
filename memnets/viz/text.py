"""Weightings for the terminal, in plain characters."""

from __future__ import annotations

import numpy as np

from memnets.viz._panels import head_names
from memnets.viz._records import TracedRecord, TraceLike, all_records, by_memory, slots_of_memory, slots_pointed_at
from memnets.viz._style import peak_limits

SHADES = " ░▒▓█"
LINES = 40
MOST_HEADS = 12


def weightings_text(trace: TraceLike, index: int = 0, width: int = 76) -> str:
    """The weightings over a memory's slots as a small picture of shade characters, slots down and time across.

    Where there are more slots or steps than characters, a character shows the largest weight among those it stands
    for. The stretch of slots is the one ``weightings_figure`` shows. Weightings that are not over a memory's slots,
    such as those over shifts, are left out; of several memories the first is shown.

    Args:
        trace: holds a weighting ``(B, T, N)`` or ``(B, T, H, N)`` or several, and lengths ``(B,)``.
        index: which sequence of the batch.
        width: characters a line at most.

    Returns:
        Lines joined by newlines, at most 40 of them; no more than twelve heads.

    Raises:
        KeyError: the trace lacks its lengths.
        IndexError: the batch has no sequence ``index``.
        ValueError: ``width`` is below 40, or the trace holds no weighting.
    """
    all_records(trace, index, ["weighting"])  # there is one
    if width < 40:
        raise ValueError(f"width must be at least 40 characters, got {width}")
    own = next(own for own in by_memory(all_records(trace, index)) if slots_of_memory(own) is not None)
    places = slots_of_memory(own)
    assert places is not None
    weightings = [record for record in own if record.kind == "weighting" and record.places == places]
    shown = slots_pointed_at(weightings, places)
    digits = len(str(shown.max()))
    heads = [one for record in weightings for one in _heads(record, weightings)]
    others = 2 if len(heads) <= MOST_HEADS else 3  # lines above and below
    rows = _cells(shown, max(1, (LINES - others) // min(len(heads), MOST_HEADS) - 1))
    steps = _cells(np.arange(len(weightings[0].values)), width - digits - 3)
    peak = peak_limits(*(record.values for record in weightings))[1]

    lines = [f"weight 0 '{SHADES}' {peak:.2g}; {_size(rows, 'slot')} down, {_size(steps, 'step')} across"]
    for name, weights in heads[:MOST_HEADS]:
        cells = _largest(weights, rows, steps) / peak
        lines.append(name)
        lines += [f"{row[0]:>{digits}} |{_shade(line)}|" for row, line in zip(rows, cells)]
    if len(heads) > MOST_HEADS:
        lines.append(f"{MOST_HEADS} of {len(heads)} heads shown")
    lines.append(" " * (digits + 2) + _time_axis(len(weightings[0].values), len(steps)))
    return "\n".join(line[:width] for line in lines)


def _heads(record: TracedRecord, among: list[TracedRecord]) -> list[tuple[str, np.ndarray]]:
    """The name and the weights ``(L, N)`` of each head."""
    whose = f"{record.memory}: {record.name}".removeprefix(": ").replace("_", " ")
    if record.heads == 1:
        return [(whose, record.values[:, 0])]
    return [(f"{whose}, {name}", record.values[:, h]) for h, name in enumerate(head_names(record, among))]


def _cells(numbers: np.ndarray, most: int) -> list[np.ndarray]:
    """Groups of neighbours, all of one size but the last, at most ``most`` of them."""
    size = -(-len(numbers) // most)
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def _largest(weights: np.ndarray, rows: list[np.ndarray], steps: list[np.ndarray]) -> np.ndarray:
    """The largest weight of weights ``(L, N)`` in each cell (rows, steps)."""
    over_slots = np.stack([weights[:, row].max(axis=1) for row in rows])  # (rows,L)
    return np.stack([over_slots[:, step].max(axis=1) for step in steps], axis=1)


def _size(cells: list[np.ndarray], name: str) -> str:
    return f"{name}s" if len(cells[0]) == 1 else f"{name}s ({len(cells[0])} a character)"


def _shade(values: np.ndarray) -> str:
    levels = np.nan_to_num(values * (len(SHADES) - 1), posinf=len(SHADES)).round().clip(0, len(SHADES) - 1).astype(int)
    return "".join(SHADES[level] for level in levels)


def _time_axis(steps: int, columns: int) -> str:
    """The first and last step under the ends of a picture ``columns`` characters wide."""
    last = str(steps - 1)
    return "0" if steps == 1 else "0" + last.rjust(columns - 1)
