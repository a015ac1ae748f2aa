"""A task as a picture: what goes in, what should come out, and what did."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style
from memnets.viz._batches import BatchLike, batch_sequence, mistakes, scored_outputs


def batch_figure(batch: BatchLike, count: int = 4) -> Figure:
    """Draw the inputs and targets of the first sequences of a batch.

    Each row is a sequence, inputs left and targets right, all on one time scale and each cut at its own
    length. Steps that the loss does not score are hatched among the targets.

    Args:
        batch: anything with inputs ``(B, T, I)``, targets ``(B, T, O)``, mask ``(B, T)`` bool and lengths ``(B,)``.
        count: how many sequences to draw at most; a smaller batch is drawn whole.

    Returns:
        A figure with two panels a sequence.

    Raises:
        ValueError: ``count`` is below one, or the tensors of the batch do not fit together.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    count = min(count, len(batch.lengths))
    sequences = [batch_sequence(batch, index) for index in range(count)]
    longest = max(len(sequence.mask) for sequence in sequences)
    limits = _style.unit_limits(*(values for s in sequences for values in (s.inputs, s.targets)))

    figure = _style.new_figure(9, 1.1 + 1.25 * count, "Task batch (hatched: not scored; blue: past the end)")
    panels = figure.subplots(count, 2, sharex=True, squeeze=False)
    images = []
    for index, (sequence, (left, right)) in enumerate(zip(sequences, panels)):
        images.append(_style.draw(left, sequence.inputs.T, _style.BITS, limits))
        _style.draw(right, sequence.targets.T, _style.BITS, limits)
        _style.hide_unscored(right, sequence.mask)
        left.set_facecolor(_style.OUTSIDE)
        right.set_facecolor(_style.OUTSIDE)
        time = "time (step)" if index == count - 1 else None
        _style.label(left, f"sequence {index}: inputs (length {len(sequence.mask)})", time, "channel")
        _style.label(right, f"sequence {index}: targets ({sequence.mask.sum()} steps scored)", time)
    panels[0, 0].set_xlim(-0.5, longest - 0.5)
    _style.color_bar(figure, images[0], panels.ravel(), "value")
    return figure


def sequence_figure(batch: BatchLike, outputs: Tensor, index: int = 0, classes: int | None = None) -> Figure:
    """Draw one sequence: inputs, targets, outputs, and where the outputs are wrong.

    Args:
        batch: anything with inputs ``(B, T, I)``, targets ``(B, T, O)``, mask ``(B, T)`` bool and lengths ``(B,)``.
        outputs: probabilities ``(B, T, O)``; only scored steps are shown.
        index: which sequence of the batch.
        classes: how many successive outputs are the classes of one answer, of which the largest counts; None where
            each output is one, wrong where it and its target lie on different sides of 0.5.

    Returns:
        A figure of four panels over one time axis.

    Raises:
        IndexError: the batch has no sequence ``index``.
        ValueError: ``outputs`` has another shape than the targets or holds no probabilities.
    """
    sequence = batch_sequence(batch, index)
    output = scored_outputs(batch, outputs, index)
    errors = np.abs(output - sequence.targets)  # (L,O)
    found = mistakes(output, sequence.targets, classes)
    what = "scored values" if classes is None else "answers"
    limits = _style.unit_limits(sequence.inputs, sequence.targets)

    figure = _style.new_figure(8, 7, f"Sequence {index}: {found.wrong} wrong of {found.answers} {what}")
    panels = figure.subplots(4, 1, sharex=True, squeeze=False)[:, 0]
    rows = (sequence.inputs, sequence.targets, output, errors)
    titles = ("inputs", "targets", "outputs (probability)", "errors |output - target|; wrong ones in orange")
    images = []
    for panel, values, title in zip(panels, rows, titles):
        images.append(_style.draw(panel, values.T, _style.BITS, limits))
        _style.label(panel, title, "time (step)" if panel is panels[-1] else None, "channel")
        if title == "inputs":
            _style.mark_phases(panel, sequence.mask)
        else:
            _style.hide_unscored(panel, sequence.mask)
    only_wrong = np.ma.masked_where(~found.where, np.ones(found.where.shape))
    _style.draw(panels[-1], only_wrong.T, ListedColormap([_style.WRONG]).with_extremes(bad=(0, 0, 0, 0)), (0, 1))
    _style.color_bar(figure, images[0], panels, "value")
    return figure
