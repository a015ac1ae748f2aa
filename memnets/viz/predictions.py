"""Predictions over the best there could be, step by step: Graves et al. 2014, figure 14."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style
from memnets.viz._batches import BatchLike, batch_sequence, scored_outputs


def predictions_figure(batch: BatchLike, outputs: Tensor, optimal: Tensor, index: int = 0) -> Figure:
    """Draw how predictions of the next bit follow the optimal ones, after Graves et al. 2014, figure 14.

    From the top: the bits shown; the optimal predictions and the network's, as probabilities that the next bit is
    1; both as lines, with the bit that came as a dot; and what the network's have cost more so far. All panels
    share the time axis.

    Args:
        batch: anything with inputs and targets ``(B, T, 1)``, of bits, mask ``(B, T)`` bool and lengths ``(B,)``.
        outputs: the network's probabilities ``(B, T, 1)``; only scored steps are shown.
        optimal: the optimal probabilities ``(B, T, 1)``, within 0 and 1.
        index: which sequence of the batch.

    Returns:
        A figure of five panels.

    Raises:
        IndexError: the batch has no sequence ``index``.
        ValueError: there is more than one channel, no step is scored, or ``outputs`` or ``optimal`` does not fit.
    """
    sequence = batch_sequence(batch, index)
    if sequence.inputs.shape[1] != 1 or sequence.targets.shape[1] != 1:
        raise ValueError(
            "predictions are drawn of one channel of bits, but batch.inputs and batch.targets have "
            f"{sequence.inputs.shape[1]} and {sequence.targets.shape[1]}; draw those with sequence_figure"
        )
    if not sequence.mask.any():
        raise ValueError(f"sequence {index} has no scored step, so there is no prediction to draw")
    ours, best = (scored_outputs(batch, values, index)[:, 0] for values in (outputs, optimal))
    excess = (_cost(ours, sequence.targets[:, 0]) - _cost(best, sequence.targets[:, 0])).cumsum()

    total = np.ma.compressed(excess)[-1]  # at the last scored step
    beside = f"{abs(total):.1f} bits {'under' if total < 0 else 'over'} the optimum"
    figure = _style.new_figure(10, 5.6, f"Predictions of the next bit: {beside}")
    panels = figure.subplots(5, 1, sharex=True, height_ratios=[0.35, 0.35, 0.35, 2.0, 1.2])
    strips = {"bits shown": sequence.inputs[:, 0], "optimal predictions": best, "the network's predictions": ours}
    images = []
    for panel, (title, values) in zip(panels, strips.items()):
        images.append(_style.draw(panel, np.ma.atleast_2d(values), _style.BITS, (0, 1)))
        panel.set_yticks([])
        _style.label(panel, title)
    _style.color_bar(figure, images[0], panels[:3], "value")
    _draw_lines(panels[3], best, ours, sequence.targets[:, 0])
    panels[4].plot(excess, color=_style.INK, linewidth=1.4)
    panels[4].axhline(0, color=_style.FRAME, linewidth=0.7)
    panels[4].grid(color=_style.GRID, linewidth=0.6)
    _style.label(panels[4], "cost over the optimum so far", "time (step)", "bits")
    return figure


def _cost(predictions: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Bits that each bit costs, ``(L,)``."""
    right = np.where(bits > 0.5, predictions, 1 - predictions)
    tiny = np.finfo(np.float32).eps  # a certain prediction that is wrong costs no more than the drawing can show
    return np.ma.array(-np.log2(np.maximum(right, tiny)), mask=np.ma.getmaskarray(predictions))


def _draw_lines(axes: Axes, best: np.ndarray, ours: np.ndarray, bits: np.ndarray) -> None:
    """Both predictions, and the bits that came where anything was predicted."""
    steps = np.arange(len(bits))
    came = np.ma.array(bits, mask=np.ma.getmaskarray(best))
    axes.plot(steps, best, color=_style.LINES[2], linewidth=1.6, label="optimal")
    axes.plot(steps, ours, color=_style.LINES[0], linewidth=1.1, label="network")
    axes.plot(steps, came, linestyle="none", marker=".", markersize=3.5, color=_style.LINES[1], label="bit that came")
    axes.set_ylim(-0.05, 1.05)
    axes.grid(color=_style.GRID, linewidth=0.6)
    axes.legend(fontsize=_style.TICK, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, borderpad=0)
    _style.label(axes, "probability that the next bit is 1", y="probability")
