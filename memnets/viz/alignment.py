"""Which words of a sentence were looked at for each word of another: Bahdanau et al. 2015, figure 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from memnets.viz import _fonts, _style

MOST_WORDS = 60


def alignment_figure(source: Sequence[str], translation: Any, wanted: Sequence[str] | None = None) -> Figure:
    """Draw the weights of attention as an alignment, the source across and what was written down.

    Args:
        source: its words.
        translation: has ``words``, ``confidence`` and ``weights (L, N)``. Words past the 60th are left out.
        wanted: the words it should be, to be told where it differs.

    Raises:
        ValueError: there are no weights.
    """
    if translation.weights is None:
        raise ValueError("there are no weights to draw: the model has no attention")
    words, source = list(translation.words)[:MOST_WORDS], list(source)[:MOST_WORDS]
    weights = translation.weights.detach().cpu().double().numpy()[: len(words), : len(source)]
    title = f"Alignment, confidence {translation.confidence:.2f}"
    if wanted is not None:
        right = tuple(wanted) == tuple(translation.words)
        title += ", as it should be" if right else f"\nshould be: {_style.without_math(' '.join(wanted))[:80]}"
    figure = _style.new_figure(max(0.3 * len(source) + 2.4, 5.0), max(0.24 * len(words) + 1.6, 2.4), title)
    axes = figure.subplots()
    if not words:
        axes.set_axis_off()
        return figure
    shown = axes.imshow(weights, cmap=_style.WEIGHTS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    _style.label(axes, None, "source", "written")
    axes.set_xticks(range(len(source)), [_style.without_math(word) for word in source], rotation=60, ha="right")
    axes.set_yticks(range(len(words)), [_style.without_math(word) for word in words])
    _style.color_bar(figure, shown, [axes], "weight")
    _fonts.use_fonts_for(figure, " ".join([*words, *source, *(wanted or ())]))
    return figure
