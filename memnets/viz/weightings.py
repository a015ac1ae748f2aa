"""Where the heads look: weightings over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from memnets.viz import _style
from memnets.viz._data import traced, used_slots


def weightings_figure(trace: Mapping[str, Tensor], index: int = 0) -> Figure:
    """Draw the write and read weightings over time, a panel a head, as Graves et al. 2014, figure 6, do.

    Write heads stand left and read heads right, over the same slots, so that what is written and what is
    read of it lie side by side. Where most slots are unused, only the used stretch and a margin is shown;
    the memory is circular, so the stretch may run past the last slot to slot 0.

    Args:
        trace: holds read_weights (B,T,R,N), write_weights (B,T,W,N) and lengths (B,).
        index: which sequence of the batch.

    Returns:
        A figure with max(R, W) rows and two columns of panels.

    Raises:
        KeyError: the trace lacks a record.
        IndexError: the batch has no sequence `index`.
    """
    write, read = traced(trace, "write_weights", index), traced(trace, "read_weights", index)
    shown = used_slots(write, read)
    limits = _style.peak_limits(write, read)
    rows = max(write.shape[1], read.shape[1])

    figure = _style.new_figure(9, 0.9 + 2.6 * rows, f"Where the heads write and read (sequence {index})")
    panels = figure.subplots(rows, 2, sharex=True, squeeze=False)
    slots = slot_label(shown, write.shape[-1])
    left, right = panels.T
    images = draw_heads(left, write[..., shown], "write weightings", _style.WEIGHTS, limits, y=slots, last=True)
    images += draw_heads(right, read[..., shown], "read weightings", _style.WEIGHTS, limits, last=True)
    for panel in panels.ravel():
        _style.number_rows(panel, shown)
    _style.color_bar(figure, images[0], panels.ravel(), "weight")
    return figure


def slot_label(shown: np.ndarray, slots: int) -> str:
    """What the vertical axis shows: all slots, or how many of them."""
    return "slot" if len(shown) == slots else f"slot ({len(shown)} of {slots} shown)"


def draw_heads(
    panels: np.ndarray,
    values: np.ndarray,
    name: str,
    cmap: Colormap,
    limits: tuple[float, float],
    y: str | None = None,
    last: bool = False,
) -> list[AxesImage]:
    """Draw what each head does over time, one panel a head from the top; panels left over stay blank.

    Args:
        panels: a column of axes (at least heads,).
        values: array (L,heads,rows); rows are slots, or elements of a vector.
        name: the title of a panel before the head's number.
        cmap: the colours.
        limits: the values at the ends of the colours.
        y: the label of the vertical axis.
        last: whether the lowest panel carries the time axis.

    Returns:
        The images, one a head.
    """
    heads = values.shape[1]
    for panel in panels[heads:]:
        panel.set_axis_off()
    images = []
    for head, panel in enumerate(panels[:heads]):
        images.append(_style.draw(panel, values[:, head].T, cmap, limits))
        title = name if heads == 1 else f"{name} (head {head})"
        _style.label(panel, title, "time (step)" if last and head == heads - 1 else None, y)
    return images
