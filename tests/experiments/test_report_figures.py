"""The figures of a report: every seed, and what stands beside them."""

import math

import pytest
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle

from memnets.viz import LengthsPanel, learning_seeds_figure, lengths_seeds_figure


def test_names_in_figures_are_no_mathematics(tmp_path):
    figure = learning_seeds_figure({r"$\bad$": [([1, 2], [0.5, 0.25])]}, error=r"$\bad$", title=r"$\bad$")
    figure.savefig(tmp_path / "a.png")
    panel = LengthsPanel(r"$\bad$", {r"$\bad$": [{5: 1.0}]}, r"$\bad$", "length", (1, 5))
    lengths_seeds_figure([panel], r"$\bad$").savefig(tmp_path / "b.png")


def test_learning_curves_are_drawn_for_every_seed_and_their_median():
    groups = {
        "a": [([16, 32, 48], [9.0, 6.0, 3.0]), ([16, 32], [5.0, 4.0]), ([16, 32, 48, 64], [1.0, 5.0, 1.0, 0.5])],
        "b": [([16, 32], [7.0, 8.0])],
        "none yet": [([], [])],
    }
    axes = learning_seeds_figure(groups, error="bit errors", threshold=0.1).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) and line.get_linestyle() != "--"]
    thin = [line for line in curves if line.get_linewidth() < 0.85]
    thick = [line for line in curves if line.get_linewidth() > 2]
    assert [list(line.get_ydata()) for line in thin] == [list(y) for c in groups.values() for _, y in c if len(y)]
    assert len({line.get_color() for line in thin[:3]}) == 1
    assert thin[3].get_color() != thin[0].get_color()
    assert list(thick[0].get_xdata()) == [16, 32, 48, 64]
    assert list(thick[0].get_ydata()) == [5.0, 5.0, 3.0, 3.0]  # a seed that stopped keeps its last error
    assert axes.get_ylabel() == "validation bit errors"
    with pytest.raises(ValueError, match="no validation to draw"):
        learning_seeds_figure({"a": [([], [])]}, error="bit errors")
    with pytest.raises(ValueError, match="a curve of a has 2 sequence counts but 1 errors"):
        learning_seeds_figure({"a": [([1, 2], [1.0])]}, error="bit errors")


def test_length_curves_are_drawn_for_every_seed_with_the_training_range():
    runs = [{5: 0.0, 10: 1.0, 40: 9.0}, {5: 0.0, 10: 3.0, 40: 5.0}, {5: 0.0, 10: 2.0, 40: 300.0}]
    panel = LengthsPanel("Copy", {"a": runs, "b": [{5: 1.0, 10: 2.0}]}, "bit errors", "vectors", (1, 5))
    axes = lengths_seeds_figure([panel]).axes[0]
    thin = [line for line in axes.lines if line.get_linewidth() < 0.85]
    thick = [line for line in axes.lines if line.get_linewidth() > 2]
    assert [list(line.get_ydata()) for line in thin[:3]] == [list(run.values()) for run in runs]
    assert math.isnan(thin[3].get_ydata()[2])
    assert list(thick[0].get_ydata()) == [0.0, 2.0, 9.0]
    bands = [p for p in axes.patches if isinstance(p, (Rectangle, PolyCollection))]
    assert any(math.isclose(p.get_x(), 1) and math.isclose(p.get_width(), 4) for p in bands)
    with pytest.raises(ValueError, match="no table of lengths"):
        lengths_seeds_figure([])
