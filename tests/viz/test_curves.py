"""Curves of several runs, the unit of lengths, and the colours of a scene."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from memnets import viz


def test_lengths_have_the_unit_of_the_task():
    table = {20: {"bit_errors": 1.0, "sequence_accuracy": 0.5}}
    assert {axes.get_xlabel() for axes in viz.lengths_figure(table, 20, "items").axes} == {"sequence length (items)"}
    assert {axes.get_xlabel() for axes in viz.lengths_figure(table).axes} == {"sequence length"}


def test_ticks_of_errors_are_plain_numbers():
    """Also where they lie within one decade."""
    for errors in ((3.0, 7.0), (0.2, 300.0), (0.0, 40.0)):
        figure = viz.lengths_figure({n: {"bit_errors": error} for n, error in zip((3, 6), errors)})
        figure.canvas.draw()
        axis = figure.axes[0].yaxis
        texts = [tick.get_text() for tick in [*axis.get_majorticklabels(), *axis.get_minorticklabels()]]
        assert sum(bool(text) for text in texts) >= 2
        assert all(float(text) >= 0 for text in texts if text and not text.startswith("-"))


def medians(axes):
    """The thick lines by their names, in the order drawn."""
    return {line.get_label().split(" (")[0]: line for line in axes.get_lines() if line.get_linewidth() > 2}


def test_medians_that_coincide_all_show():
    """Each is wider than those drawn over it that run along with it; others keep their width."""
    falling, other = ([1, 2, 3], [8.0, 4.0, 1.0]), ([1, 2, 3], [9.0, 9.0, 9.0])
    groups = {"a": [falling], "b": [other], "c": [falling, falling], "d": [falling]}
    lines = medians(viz.learning_seeds_figure(groups, error="bits").axes[0])
    width = {name: line.get_linewidth() for name, line in lines.items()}
    assert list(width) == ["a", "b", "c", "d"]
    assert width["a"] > width["c"] + 1 > width["d"] + 2
    assert width["b"] == width["d"]
    np.testing.assert_array_equal(lines["a"].get_ydata(), falling[1])


@pytest.mark.parametrize(
    ("second", "wider"),
    [({20: 0, 40: 0, 80: 4}, True), ({20: 1, 40: 0, 80: 4}, False), ({20: 0}, True), ({160: 0}, False)],
)
def test_medians_over_lengths_that_share_a_stretch_both_show(second, wider):
    """Curves that only cross do so in the open; a single place in common is all there is of a curve of one."""
    panel = viz.LengthsPanel("copy", {"a": [{20: 0, 40: 0, 80: 1}], "b": [second]}, "bits")
    width = {name: line.get_linewidth() for name, line in medians(viz.lengths_seeds_figure([panel]).axes[0]).items()}
    assert (width["a"] > width["b"]) == wider


@pytest.mark.parametrize(("brightness", "veil"), [(0.2, 1.0), (0.9, 0.0)])
def test_what_was_looked_at_keeps_the_colours_of_the_scene(brightness, veil):
    weights = torch.tensor([[[0.0, 0.8]]])
    caption = SimpleNamespace(words=("red",), confidence=0.5, weights=weights, gates=None)
    figure = viz.caption_figure(torch.full((3, 4, 8), brightness), caption)
    over = figure.axes[1].images[1]
    away, looked_at = over.cmap(over.norm(weights[0, 0].numpy()))
    assert looked_at[3] == 0  # nothing is laid over it
    assert away[3] > 0.5
    assert away[:3].tolist() == [veil] * 3  # no hue
