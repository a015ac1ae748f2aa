"""A whole trace, of whatever memory: one picture of all that it did, and a picture of each kind of record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz._panels import Row, contents_panels, draw_rows, number_panels, side_by_side, vector_panels
from memnets.viz._records import TracedRecord, TraceLike, all_records, by_memory, mask_of, slots_filled
from memnets.viz.gates import gates_figure
from memnets.viz.memory import matrices_figure, memory_figure
from memnets.viz.vectors import vectors_figure
from memnets.viz.weightings import weighting_rows, weightings_figure


def trace_figures(trace: TraceLike, index: int = 0, mask: Tensor | None = None) -> dict[str, Callable[[], Figure]]:
    """The figures that a trace has records for, by name, each to be drawn by a call.

    Args:
        trace: records by name with their kinds, and lengths ``(B,)``.
        index: which sequence of the batch.
        mask: which steps are scored, bool ``(B, T)``; a dashed line then stands between listening and answering.

    Returns:
        Any of ``weightings``, ``gates``, ``vectors``, ``memory`` and ``matrices``.
    """
    held = set(trace.kinds.values())
    figures: dict[str, tuple[set[str], Callable[[], Figure]]] = {
        "weightings": ({"weighting"}, lambda: weightings_figure(trace, index, mask)),
        "gates": ({"gate", "scalar"}, lambda: gates_figure(trace, index, mask)),
        "vectors": ({"vector"}, lambda: vectors_figure(trace, index, mask)),
        "memory": ({"contents"}, lambda: memory_figure(trace, index)),
        "matrices": ({"matrix"}, lambda: matrices_figure(trace, index)),
    }
    return {name: draw for name, (kinds, draw) in figures.items() if kinds & held}


def records_figure(trace: TraceLike, index: int = 0, mask: Tensor | None = None) -> Figure:
    """Draw all records of a trace over one time axis, in a block for each memory.

    Weightings come first, then contents (the norm of each slot over time), vectors, gates and scalars. Matrices have
    no place on a time axis: see ``matrices_figure``.

    Args:
        trace: records by name with their kinds, and lengths ``(B,)``.
        index: which sequence of the batch.
        mask: which steps are scored, bool ``(B, T)``; a dashed line then stands between listening and answering.

    Returns:
        A figure with a panel for each head of each record.

    Raises:
        KeyError: the trace lacks its lengths.
        IndexError: the batch has no sequence ``index``.
        ValueError: the trace holds no record that has a place on a time axis.
    """
    records = all_records(trace, index, ["weighting", "contents", "vector", "gate", "scalar"])
    rows = [row for own in by_memory(all_records(trace, index)) for row in record_rows(own)]
    return draw_rows(f"A memory at work (sequence {index})", rows, mask_of(mask, index, len(records[0].values)))


def record_rows(records: Sequence[TracedRecord]) -> Iterator[Row]:
    """All records of one memory that go over time."""
    yield from weighting_rows(records)
    contents = [record for record in records if record.kind == "contents"]
    shown = {record.places: slots_filled(records, record.values.shape[2]) for record in contents}
    yield from side_by_side([contents_panels(record, records, shown[record.places]) for record in contents])
    yield from side_by_side([vector_panels(record, records) for record in records if record.kind == "vector"])
    yield from side_by_side([number_panels(record, records) for record in records if record.kind in ("gate", "scalar")])
