"""Does a memory sort by where it writes? Graves et al. 2014, figure 17."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style
from memnets.viz._batches import BatchLike, batch_sequence, to_numpy
from memnets.viz._records import TraceLike, traced
from memnets.viz._slots import of_weights, used_slots


class Line(NamedTuple):
    """Locations as a linear function of something, and the share of their variance that it explains."""

    locations: np.ndarray  # (L,)
    explained: float


def sorting_figure(batch: BatchLike, priorities: Tensor, trace: TraceLike, index: int = 0) -> Figure:
    """Draw where vectors are written by their priority, and read, after Graves et al. 2014, figure 17.

    Left, the locations that a linear function of the priorities, fitted to the observed ones, returns; middle,
    the observed write weightings; right, the read weightings while the answer is due, with a dot where the vector
    that is due was written. Location is the slot of the largest weight. Of several heads those are drawn that
    the hypothesis fits best, among those that point at all: the write head whose locations are the most linear in
    the priority or are read the most when due (the sum of explained variance and that weight, times the mean of the
    largest weights), and the read head that has most of its weight where it wrote what is due, at the step itself or
    the one before.

    Args:
        batch: anything with inputs ``(B, T, I)``, targets ``(B, T, O)``, mask ``(B, T)`` bool and lengths ``(B,)``.
        priorities: the priority given at each step ``(B, T)``, NaN at steps that give none.
        trace: recorded on this batch; holds the weightings ``write_weights (B, T, W, N)`` and
            ``read_weights (B, T, R, N)``, and lengths ``(B,)``.
        index: which sequence of the batch.

    Returns:
        A figure of three panels over the same slots.

    Raises:
        KeyError: the trace lacks a record.
        IndexError: the batch has no sequence ``index``.
        ValueError: the shapes do not fit, no step gives a priority, or none is scored.
    """
    mask = batch_sequence(batch, index).mask
    if priorities.shape != batch.mask.shape:
        raise ValueError(
            f"priorities must have the shape of batch.mask {tuple(batch.mask.shape)}, got {tuple(priorities.shape)}"
        )
    given = to_numpy(priorities[index, : len(mask)])  # (L,)
    write, read = (traced(trace, name, index, "weighting").values for name in ("write_weights", "read_weights"))
    if len(write) != len(mask):
        raise ValueError(
            f"sequence {index} has {len(mask)} steps in the batch but {len(write)} in the trace; "
            "pass the trace recorded on this batch"
        )
    (shows,), (asks,) = np.isfinite(given).nonzero(), mask.nonzero()
    if not shows.size or not asks.size:
        raise ValueError(
            f"sequence {index} has {shows.size} steps with a priority and {asks.size} scored steps; "
            "both are needed, and steps without a priority must be NaN"
        )
    given, write = given[shows], write[shows]
    due = np.argsort(-given, kind="stable")[: len(asks)]  # which vector each step of the answer asks for
    weight_on_due = read_weight(read, asks[: len(due)], write.argmax(2)[due])  # (write heads, read heads)
    writer = int(np.argmax((linear(given, write) + weight_on_due.max(1)) * write.max(2).mean(0)))
    reader = int(weight_on_due[writer].argmax())
    write = write[:, writer]  # (L,N)
    read = read[asks, reader]  # (K,N)
    shown = used_slots(of_weights(write[:, None], read[:, None]))
    slots = "slot" if len(shown) == write.shape[1] else f"slot ({len(shown)} of {write.shape[1]} shown)"
    write, read = write[:, shown], read[:, shown]
    line = fit_line(given, write.argmax(1))
    supposed = np.eye(len(shown))[line.locations.round().astype(int).clip(0, len(shown) - 1)]

    title = f"Write locations: a line in the priority explains {line.explained:.0%} of their variance"
    figure = _style.new_figure(10, 4.2, title)
    panels = figure.subplots(1, 3, sharey=True)
    limits = _style.peak_limits(write, read)
    weights = {
        "write locations, linear in the priority": (supposed * limits[1], shows),
        f"observed write weightings (head {writer})": (write, shows),
        f"read weightings (head {reader}); dots: due": (read, asks),
    }
    images = []
    for panel, (name, (values, times)) in zip(panels, weights.items()):
        images.append(_style.draw(panel, values.T, _style.WEIGHTS, limits))
        images[-1].set_extent((times[0] - 0.5, times[-1] + 0.5, len(shown) - 0.5, -0.5))
        panel.set_xlim(times[0] - 0.5, times[-1] + 0.5)
        _style.label(panel, name, "time (step)", slots if panel is panels[0] else None)
    panels[2].set_autoscale_on(False)
    panels[2].plot(asks[: len(due)], write.argmax(1)[due], ".", color=_style.WRONG, markersize=5)
    _style.number_rows(panels[0], shown)
    _style.color_bar(figure, images[0], panels, "weight")
    return figure


def linear(against: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share of variance of each head's locations that a line in ``against`` explains.

    Args:
        against: ``(L,)``.
        weights: ``(L, heads, N)``.
    """
    heads = np.split(weights, weights.shape[1], axis=1)
    rows = [
        own[:, 0, used_slots(of_weights(own))].argmax(1) for own in heads
    ]  # the ring cut open where the head never is
    return np.array([fit_line(against, one).explained for one in rows])


def read_weight(weights: np.ndarray, steps: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Mean weight ``(W, R)`` of each reader on each writer's slots, at their steps or always a step ahead.

    Args:
        weights: ``(T, R, N)``.
        steps: ``(K,)``.
        slots: ``(K, W)``.
    """
    ahead = (steps - 1).clip(0)
    then, before = (weights[when[:, None], :, slots].mean(0) for when in (steps, ahead))  # (W,R)
    return np.maximum(then, before)


def fit_line(against: np.ndarray, locations: np.ndarray) -> Line:
    """The least-squares line of ``locations (L,)`` in ``against (L,)``; locations all the same are not explained."""
    columns = np.stack([against, np.ones(len(against))], axis=1).astype(float)
    fitted = columns @ np.linalg.lstsq(columns, locations.astype(float), rcond=None)[0]
    spread = np.square(locations - locations.mean()).sum()
    missed = np.square(locations - fitted).sum()
    return Line(fitted, float(1 - missed / spread) if spread > 0 else 0.0)
