"""What a memory is told and gives: vectors over time."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz._panels import draw_rows, side_by_side, vector_panels
from memnets.viz._records import TraceLike, all_records, by_memory, mask_of


def vectors_figure(trace: TraceLike, index: int = 0, mask: Tensor | None = None) -> Figure:
    """Draw every vector over time, a panel a head, each record with colours of its own.

    Args:
        trace: holds a vector ``(B, T, M)`` or ``(B, T, H, M)`` or several, and lengths ``(B,)``.
        index: which sequence of the batch.
        mask: which steps are scored, bool ``(B, T)``; a dashed line then stands between listening and answering.

    Returns:
        A figure with a panel for each head of each vector.

    Raises:
        KeyError: the trace lacks its lengths.
        IndexError: the batch has no sequence ``index``.
        ValueError: the trace holds no vector.
    """
    records = all_records(trace, index, ["vector"])
    among = [*records, *(r for r in all_records(trace, index) if r.kind == "weighting")]
    rows = []
    for own in by_memory(records):
        rows += side_by_side([vector_panels(record, among) for record in own])
    return draw_rows(f"Vectors (sequence {index})", rows, mask_of(mask, index, len(records[0].values)))
