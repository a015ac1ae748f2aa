"""How a memory is controlled: gates and other numbers over time."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz._panels import draw_rows, number_panels
from memnets.viz._records import TraceLike, all_records, mask_of


def gates_figure(trace: TraceLike, index: int = 0, mask: Tensor | None = None) -> Figure:
    """Draw every gate and scalar over time, a line a head: of an NTM Graves et al. 2014, equations 5 to 9.

    Gates stand on an axis from 0 to 1. A record of more than seven numbers a step is drawn as an image.

    Args:
        trace: holds a gate or scalar ``(B, T)``, ``(B, T, H)`` or ``(B, T, H, A)`` or several, and lengths ``(B,)``.
        index: which sequence of the batch.
        mask: which steps are scored, bool ``(B, T)``; a dashed line then stands between listening and answering.

    Returns:
        A figure with a panel for each gate and scalar.

    Raises:
        KeyError: the trace lacks its lengths.
        IndexError: the batch has no sequence ``index``.
        ValueError: the trace holds neither.
    """
    records = all_records(trace, index, ["gate", "scalar"])
    among = [*records, *(r for r in all_records(trace, index) if r.kind == "weighting")]
    rows = [([panel], []) for record in records for panel in number_panels(record, among)]
    return draw_rows(f"Gates and numbers (sequence {index})", rows, mask_of(mask, index, len(records[0].values)))
