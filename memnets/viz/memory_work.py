"""A memory at work, the whole story in one picture: Graves et al. 2014, figure 6."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style
from memnets.viz._batches import BatchLike, batch_sequence, mistakes, scored_outputs
from memnets.viz._panels import Panel, Row, draw_rows, vector_panels, weighting_panels
from memnets.viz._records import TracedRecord, TraceLike, all_records, by_memory, slots_pointed_at
from memnets.viz.records import record_rows

STORY = (("add", "reads"), ("write_weights", "read_weights"))
"""The records of the paper's figure, what is written left and what is read right."""


def memory_work_figure(
    batch: BatchLike, outputs: Tensor, trace: TraceLike, index: int = 0, classes: int | None = None
) -> Figure:
    """Draw how a sequence passes through the memory, after Graves et al. 2014, figure 6.

    Left, from the top: external inputs, add vectors, write weightings. Right: outputs, read vectors, read weightings.
    All panels share the time axis, and the two panels of a row their colours. Several heads stand below each other.
    Dashed lines separate scored from unscored steps. A memory without these records has all of its own in their
    place, as in ``records_figure``.

    Args:
        batch: anything with inputs ``(B, T, I)``, targets ``(B, T, O)``, mask ``(B, T)`` bool and lengths ``(B,)``.
        outputs: probabilities ``(B, T, O)``; only scored steps are shown.
        trace: recorded on this batch: records by name with their kinds, and lengths ``(B,)``.
        index: which sequence of the batch.
        classes: how many successive outputs are the classes of one answer, of which the largest counts; None where
            each output is one, wrong where it and its target lie on different sides of 0.5.

    Returns:
        The figure.

    Raises:
        KeyError: the trace lacks its lengths.
        IndexError: the batch has no sequence ``index``.
        ValueError: trace and batch differ in the sequence's length, ``outputs`` does not fit, or nothing was traced.
    """
    sequence = batch_sequence(batch, index)
    output = scored_outputs(batch, outputs, index)
    records = all_records(trace, index)
    steps = len(records[0].values)
    if steps != len(sequence.mask):
        raise ValueError(
            f"sequence {index} has {len(sequence.mask)} steps in the batch but {steps} in the trace; "
            "pass the trace recorded on this batch"
        )
    found = mistakes(output, sequence.targets, classes)
    look = (1.4, _style.BITS, _style.unit_limits(sequence.inputs))
    shown = Panel("external inputs", "channel", sequence.inputs, *look)
    said = Panel(f"outputs ({found.wrong} of {found.answers} wrong)", "channel", output, *look, hidden=~sequence.mask)
    rows: list[Row] = [([shown], [said])]
    for own in by_memory(records):
        rows += _story_rows(own) if _tells(own) else record_rows(own)
    return draw_rows("A memory at work", rows, sequence.mask)


def _tells(records: Sequence[TracedRecord]) -> bool:
    """Whether a memory has what the paper's figure shows."""
    kinds = {record.name: record.kind for record in records}
    return all(kinds.get(name) == kind for names, kind in zip(STORY, ("vector", "weighting")) for name in names)


def _story_rows(records: Sequence[TracedRecord]) -> Iterator[Row]:
    by_name = {record.name: record for record in records}
    (add, reads), (write, read) = ([by_name[name] for name in names] for names in STORY)
    limits = _style.signed_limits(add.values, reads.values)
    yield vector_panels(add, records, limits), vector_panels(reads, records, limits)
    weights = _style.peak_limits(write.values, read.values)
    left, right = ((one, slots_pointed_at(records, one.values.shape[2])) for one in (write, read))
    yield weighting_panels(left[0], records, left[1], weights), weighting_panels(right[0], records, right[1], weights)
