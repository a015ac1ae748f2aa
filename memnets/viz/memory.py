"""What the memory holds, at a few moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from memnets.viz import _style
from memnets.viz._data import traced


def memory_figure(trace: Mapping[str, Tensor], index: int = 0, steps: Sequence[int] | None = None) -> Figure:
    """Draw the memory's content, slots by width, after a few steps and after the last.

    Args:
        trace: holds memory (B,T,N,M), after the step's write, and lengths (B,).
        index: which sequence of the batch.
        steps: the steps to draw, counted from 0 (the last is added); four from first to last by default.

    Returns:
        A figure with a panel a step, all with the same colours.

    Raises:
        KeyError: the trace lacks a record.
        IndexError: the batch has no sequence `index`, or the sequence no such step.
    """
    memory = traced(trace, "memory", index)  # (L,N,M)
    last = len(memory) - 1
    chosen = np.linspace(0, last, 4).round().astype(int).tolist() if steps is None else list(steps)
    for step in chosen:
        if not 0 <= step <= last:
            raise IndexError(f"steps must lie in 0..{last} for sequence {index}, got {step}")
    chosen = sorted({*chosen, last})
    limits = _style.signed_limits(memory[chosen])

    figure = _style.new_figure(2.0 + 1.9 * max(len(chosen), 2), 4.6, f"Memory content (sequence {index})")
    panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    images = []
    for step, panel in zip(chosen, panels):
        images.append(_style.draw(panel, memory[step], _style.SIGNED, limits))
        title = f"after step {step}" + (" (last)" if step == last else "")
        _style.label(panel, title, "element", "slot" if panel is panels[0] else None)
    _style.color_bar(figure, images[0], panels, "value")
    return figure
