"""Where the heads look: weightings over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style
from memnets.viz._panels import Row, draw_rows, side_by_side, weighting_panels
from memnets.viz._records import (
    TracedRecord,
    TraceLike,
    all_records,
    by_memory,
    mask_of,
    slots_of_memory,
    slots_pointed_at,
)


def weightings_figure(trace: TraceLike, index: int = 0, mask: Tensor | None = None) -> Figure:
    """Draw every weighting over time, a panel a head, as Graves et al. 2014, figure 6, do.

    Those of a memory over equally many places stand side by side in the same colours, write heads left. Where most
    slots are unused, only the used stretch and a margin is shown; the memory is taken as circular, so the stretch may
    run past the last slot to slot 0.

    Args:
        trace: holds a weighting ``(B, T, N)`` or ``(B, T, H, N)`` or several, and lengths ``(B,)``.
        index: which sequence of the batch.
        mask: which steps are scored, bool ``(B, T)``; a dashed line then stands between listening and answering.

    Returns:
        A figure with a panel for each head of each weighting.

    Raises:
        KeyError: the trace lacks its lengths.
        IndexError: the batch has no sequence ``index``.
        ValueError: the trace holds no weighting, or one without the shape of a weighting.
    """
    weightings = all_records(trace, index, ["weighting"])
    rows = [row for own in by_memory(all_records(trace, index)) for row in weighting_rows(own)]
    return draw_rows(f"Weightings (sequence {index})", rows, mask_of(mask, index, len(weightings[0].values)))


def weighting_rows(records: Sequence[TracedRecord]) -> Iterator[Row]:
    """The weightings of one memory, those over equally many places together, those over the slots first."""
    weightings = [record for record in records if record.kind == "weighting"]
    slots = slots_of_memory(records)
    for places in sorted({record.values.shape[2] for record in weightings}, key=lambda n: (n != slots, -n)):
        together = [record for record in weightings if record.places == places]
        limits = _style.peak_limits(*(record.values for record in together))
        shown = slots_pointed_at(records, places)
        yield from side_by_side(
            [weighting_panels(record, records, shown, limits) for record in together], any_heads=True
        )
