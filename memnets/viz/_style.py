"""The common look: figures without pyplot, images over time, colour bars, unscored steps."""

from __future__ import annotations

import io
from collections.abc import Iterable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours, told apart with any kind of colour vision.
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
WRONG = "#D55E00"
INK = "#222222"
FRAME = "#8A8A8A"
UNSCORED = "#EFEDE8"
HATCH = "#CFCBC2"
OUTSIDE = "#D9E6F2"
GRID = "#E4E4E4"

TITLE, LABEL, TICK = 12, 9.5, 8.5  # points


def colors(name: str) -> Colormap:
    """A colour map by name in which missing values (NaN, masked) show as the unscored colour."""
    return matplotlib.colormaps[name].with_extremes(bad=UNSCORED)


BITS = colors("Greys")
WEIGHTS = colors("viridis")
SIGNED = colors("PuOr_r")


class NotebookFigure(Figure):
    """A figure that a notebook shows as a picture, without a magic command."""

    def _repr_png_(self) -> bytes:
        """What IPython asks an object for that it can show as a PNG."""
        png = io.BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()


def new_figure(width: float, height: float, title: str) -> Figure:
    """A figure of its own (no pyplot, no global state), in inches, with a title above all panels."""
    figure = NotebookFigure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.05, wspace=0.02, hspace=0.03)  # pyright: ignore
    figure.suptitle(title, fontsize=TITLE, fontweight="bold", color=INK)
    return figure


def without_math(text: str) -> str:
    """The text without signs that matplotlib takes for mathematics."""
    return text.replace("$", r"\$")


def label(axes: Axes, title: str | None = None, x: str | None = None, y: str | None = None) -> None:
    """Title and axis labels in the common sizes; a panel without ``x`` shows no numbers below it either."""
    if title is not None:
        axes.set_title(title, fontsize=LABEL, color=INK, loc="left", pad=4)
    if y is not None:
        axes.set_ylabel(y, fontsize=LABEL, color=INK)
    if x is not None:
        axes.set_xlabel(x, fontsize=LABEL, color=INK)
    axes.tick_params(labelsize=TICK, color=FRAME, labelcolor=INK, length=2.5, labelbottom=x is not None)
    for spine in axes.spines.values():
        spine.set(color=FRAME, linewidth=0.7)


def draw(axes: Axes, values: np.ndarray, cmap: Colormap, limits: tuple[float, float]) -> AxesImage:
    """An image of values (rows, columns) with whole-numbered axes; row 0 at the top."""
    # Nearest keeps cells crisp, but loses rows and columns once there are more of them than pixels.
    smooth = "antialiased" if values.shape[0] > 200 or values.shape[1] > 400 else "nearest"
    image = axes.imshow(values, cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="auto", interpolation=smooth)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1, steps=[1, 2, 5, 10]))
    return image


def number_rows(axes: Axes, numbers: np.ndarray) -> None:
    """Name the rows of an image by ``numbers`` (rows,): slots that may not start at 0, or wrap around."""
    rows = _few(numbers)
    axes.set_yticks(rows, [str(number) for number in numbers[rows]])


def number_columns(axes: Axes, numbers: np.ndarray) -> None:
    """Name the columns of an image likewise."""
    columns = _few(numbers)
    axes.set_xticks(columns, [str(number) for number in numbers[columns]])


def _few(numbers: np.ndarray) -> np.ndarray:
    """Where about six round ones of consecutive numbers stand."""
    wanted = len(numbers) / 6
    scale = 10 ** int(np.log10(max(wanted, 1)))
    step = next(s for s in (scale, 2 * scale, 5 * scale, 10 * scale) if s >= wanted)
    return np.flatnonzero(numbers % step == 0)


def unit_limits(*values: np.ndarray) -> tuple[float, float]:
    """0..1, widened where finite values lie outside."""
    finite = np.concatenate([v[np.isfinite(v)].ravel() for v in values])
    return min(0.0, finite.min(initial=0.0)), max(1.0, finite.max(initial=0.0))


def peak_limits(*values: np.ndarray) -> tuple[float, float]:
    """0 to the largest finite value (1 where there is none above zero)."""
    peak = max(float(v[np.isfinite(v)].max(initial=0.0)) for v in values)
    return 0.0, peak if peak > 0 else 1.0


def signed_limits(*values: np.ndarray) -> tuple[float, float]:
    """Limits with zero in the middle, from the largest finite magnitude."""
    peak = peak_limits(*(np.abs(v) for v in values))[1]
    return -peak, peak


def color_bar(figure: Figure, image: AxesImage, axes: Iterable[Axes] | np.ndarray, text: str) -> None:
    """One colour bar beside the panels it holds for."""
    bar = figure.colorbar(image, ax=list(axes), pad=0.012, fraction=0.03, aspect=20)
    bar.set_label(text, fontsize=LABEL, color=INK)
    bar.locator = MaxNLocator(nbins=4, min_n_ticks=2)
    bar.update_ticks()
    bar.ax.tick_params(labelsize=TICK, color=FRAME, labelcolor=INK, length=2.5)
    bar.outline.set(edgecolor=FRAME, linewidth=0.7)  # pyright: ignore[reportCallIssue]


def hide_unscored(axes: Axes, mask: np.ndarray) -> None:
    """Hatch the steps of an image over time that are not scored; mask is ``(L,)``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~mask, [False]])))
    for start, stop in edges.reshape(-1, 2):
        axes.axvspan(start - 0.5, stop - 0.5, facecolor=UNSCORED, edgecolor=HATCH, hatch="////", linewidth=0, zorder=2)


def mark_phases(axes: Axes, mask: np.ndarray, at_most: int = 12) -> None:
    """Thin lines where scored and unscored steps ``(L,)`` meet, unless they are too many to help."""
    edges = np.flatnonzero(np.diff(mask.astype(int))) + 0.5
    if len(edges) <= at_most:
        for edge in edges:
            axes.axvline(edge, color="#9A9A9A", linewidth=0.9, linestyle=(0, (3, 2)), zorder=3)
