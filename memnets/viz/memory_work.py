"""A memory at work, the whole story in one picture: Graves et al. 2014, figure 6."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style
from memnets.viz._data import BatchLike, batch_sequence, scored_outputs, traced, used_slots
from memnets.viz.weightings import draw_heads, slot_label


def memory_work_figure(batch: BatchLike, outputs: Tensor, trace: Mapping[str, Tensor], index: int = 0) -> Figure:
    """Draw how a sequence passes through the memory, after Graves et al. 2014, figure 6.

    Left, from the top: external inputs, add vectors, write weightings. Right: outputs, read vectors, read
    weightings. All panels share the time axis, and the two panels of a row their colours. Several heads
    stand below each other. Dashed lines separate scored from unscored steps.

    Args:
        batch: anything with inputs (B,T,I), targets (B,T,O), mask (B,T) bool and lengths (B,).
        outputs: probabilities (B,T,O); only scored steps are shown.
        trace: recorded on this batch; holds add (B,T,W,M), reads (B,T,R,M), write_weights (B,T,W,N),
            read_weights (B,T,R,N) and lengths (B,).
        index: which sequence of the batch.

    Returns:
        The figure; its rows are one, then the heads twice.

    Raises:
        KeyError: the trace lacks a record.
        IndexError: the batch has no sequence `index`.
        ValueError: trace and batch differ in the sequence's length, or `outputs` does not fit.
    """
    sequence = batch_sequence(batch, index)
    output = scored_outputs(batch, outputs, index)
    add, reads = traced(trace, "add", index), traced(trace, "reads", index)
    write, read = traced(trace, "write_weights", index), traced(trace, "read_weights", index)
    if len(write) != len(sequence.mask):
        raise ValueError(
            f"sequence {index} has {len(sequence.mask)} steps in the batch but {len(write)} in the trace; "
            "pass the trace recorded on this batch"
        )
    shown = used_slots(write, read)
    bits = _style.unit_limits(sequence.inputs)
    vectors, weights = _style.signed_limits(add, reads), _style.peak_limits(write, read)
    heads = max(write.shape[1], read.shape[1])

    ratios = [1.0] + [1.4] * heads + [2.2] * heads
    figure = _style.new_figure(10, 1.3 + 1.25 * sum(ratios), "A memory at work")
    panels = figure.subplots(len(ratios), 2, sharex=True, squeeze=False, height_ratios=ratios)
    top, middle, bottom = panels[:1], panels[1 : 1 + heads], panels[1 + heads :]

    image = _style.draw(top[0, 0], sequence.inputs.T, _style.BITS, bits)
    _style.draw(top[0, 1], output.T, _style.BITS, bits)
    _style.label(top[0, 0], "external inputs", y="channel")
    wrong = int(((output > 0.5) != (sequence.targets > 0.5)).sum() or 0)
    _style.label(top[0, 1], f"outputs ({wrong} of {output.count()} wrong)")
    _style.color_bar(figure, image, top.ravel(), "value")

    images = draw_heads(middle[:, 0], add, "add vectors", _style.SIGNED, vectors, y="element")
    images += draw_heads(middle[:, 1], reads, "read vectors", _style.SIGNED, vectors)
    _style.color_bar(figure, images[0], middle.ravel(), "value")

    slots = slot_label(shown, write.shape[-1])
    write, read = write[..., shown], read[..., shown]
    images = draw_heads(bottom[:, 0], write, "write weightings", _style.WEIGHTS, weights, y=slots, last=True)
    images += draw_heads(bottom[:, 1], read, "read weightings", _style.WEIGHTS, weights, last=True)
    _style.color_bar(figure, images[0], bottom.ravel(), "weight")

    for panel in bottom.ravel():
        _style.number_rows(panel, shown)
    for panel in panels.ravel():
        if panel.axison:
            _style.mark_phases(panel, sequence.mask)
    _style.hide_unscored(top[0, 1], sequence.mask)
    return figure
