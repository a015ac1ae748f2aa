"""Figures that a task brings along show what they are given, and are drawn with the others."""

import dataclasses

import numpy as np
import pytest
import torch
from figure_cases import FakeTrace

from memnets import viz
from memnets.viz.sorting import fit_line
from memnets_tasks import Copy, DynamicNGrams, PrioritySort


def panel(figure, title):
    """The one panel whose title starts with `title`."""
    (found,) = [axes for axes in figure.axes if axes.get_title(loc="left").startswith(title)]
    return found


def ngrams(lengths=(40, 25)):
    task = DynamicNGrams(order=3)
    batch = task.sample(len(lengths), torch.tensor(lengths), torch.Generator().manual_seed(0))
    return task, batch, torch.rand(batch.targets.shape, generator=torch.Generator().manual_seed(1)), task.optimal(batch)


class TestPredictions:
    def test_all_that_is_shown(self):
        task, batch, outputs, optimal = ngrams()
        figure = viz.predictions_figure(batch, outputs, optimal, index=1)
        for title, values, first in (
            ("bits shown", batch.inputs, 0),
            ("optimal", optimal, 1),
            ("the network's", outputs, 1),
        ):
            (image,) = panel(figure, title).images
            np.testing.assert_array_equal(image.get_array()[0, first:], values[1, first:24, 0])
            assert np.ma.getmaskarray(image.get_array())[0].tolist() == [t < first for t in range(24)]
        lines = {line.get_label(): line for line in panel(figure, "probability").get_lines()}
        for name, values in (("optimal", optimal), ("network", outputs), ("bit that came", batch.targets)):
            np.testing.assert_array_equal(lines[name].get_ydata()[1:], values[1, 1:24, 0])
        total = panel(figure, "cost over").get_lines()[0].get_ydata()[-1]
        assert total == pytest.approx(task.errors(outputs.logit(), batch)[1].item(), rel=1e-4)
        assert f"{total:.1f} bits" in figure.get_suptitle()
        assert viz.to_array(figure).std() > 0

    def test_the_optimum_costs_nothing_more(self):
        _, batch, _, optimal = ngrams()
        figure = viz.predictions_figure(batch, optimal, optimal)
        assert np.abs(panel(figure, "cost over").get_lines()[0].get_ydata()).max() == 0

    def test_luck_is_under_the_optimum(self):
        _, batch, _, optimal = ngrams()
        figure = viz.predictions_figure(batch, 0.01 + 0.98 * batch.targets, optimal)
        assert "bits under the optimum" in figure.get_suptitle()
        assert "-" not in figure.get_suptitle()

    def test_the_total_is_that_of_the_last_scored_step(self):
        _, batch, outputs, optimal = ngrams()
        mask = batch.mask.clone()
        mask[0, -3:] = False
        figure = viz.predictions_figure(dataclasses.replace(batch, mask=mask), outputs, optimal)
        assert f"{panel(figure, 'cost over').get_lines()[0].get_ydata()[-4]:.1f} bits over" in figure.get_suptitle()

    def test_certain_and_wrong_is_drawn(self):
        _, batch, _, optimal = ngrams()
        figure = viz.predictions_figure(batch, 1 - batch.targets, optimal)
        assert np.isfinite(panel(figure, "cost over").get_lines()[0].get_ydata()).all()
        assert viz.to_array(figure).std() > 0

    def test_errors(self):
        _, batch, outputs, optimal = ngrams()
        with pytest.raises(ValueError, match=r"shape of batch\.targets \(2, 39, 1\), got \(2, 39\)"):
            viz.predictions_figure(batch, outputs[..., 0], optimal)
        with pytest.raises(ValueError, match=r"probabilities in 0\.\.1, got values from"):
            viz.predictions_figure(batch, outputs, optimal.logit())
        with pytest.raises(ValueError, match="sequence 0 has no scored step"):
            viz.predictions_figure(dataclasses.replace(batch, mask=batch.mask & False), outputs, optimal)
        copy = Copy(bits=3).sample(1, 4, torch.Generator().manual_seed(0))
        with pytest.raises(ValueError, match=r"one channel of bits, but .* have 4 and 3; draw those with sequence_fig"):
            viz.predictions_figure(copy, copy.targets, copy.targets)
        with pytest.raises(IndexError, match=r"index must lie in 0\.\.1"):
            viz.predictions_figure(batch, outputs, optimal, index=2)


def weightings(write, read, lengths):
    kinds = {"write_weights": "weighting", "read_weights": "weighting"}
    return FakeTrace({"write_weights": write, "read_weights": read, "lengths": lengths}, kinds)


def sorted_by_place(slope=30.0, first=100, slots=128, ahead=0):
    """A memory that sorts: head 1 of 3 writes at a linear place, head 2 of 3 reads what is due, or is `ahead` of it."""
    task = PrioritySort()
    batch = task.sample(2, torch.tensor([20, 10]), torch.Generator().manual_seed(3))
    priorities = task.priorities(batch)
    steps = batch.mask.shape[1]
    random = torch.rand(2, steps, 3, slots, generator=torch.Generator().manual_seed(4)) * 0.2
    write, read = random.clone(), random.flip(1)
    for b, length in enumerate((20, 10)):
        for t in range(length):
            write[b, t, 1, int(first + slope * priorities[b, t]) % slots] = 0.9
        for t, given in enumerate(priorities[b, :length].argsort(descending=True)[: int(batch.mask[b].sum())]):
            read[b, length + 1 + t - ahead, 2, int(first + slope * priorities[b, given]) % slots] = 0.9
    write[:, :, 1].clamp_(min=0)[write[:, :, 1] < 0.5] = 0
    read[:, :, 2][read[:, :, 2] < 0.5] = 0
    return batch, priorities, weightings(write, read, batch.lengths)


class TestSorting:
    @pytest.mark.parametrize(("index", "length", "answers"), [(0, 20, 16), (1, 10, 8)])
    @pytest.mark.parametrize("slope", [30.0, -30.0])
    def test_the_heads_that_sort_are_found_even_around_the_ring(self, index, length, answers, slope):
        batch, priorities, trace = sorted_by_place(slope)
        figure = viz.sorting_figure(batch, priorities, trace, index)
        supposed, observed, read = (axes.images[0] for axes in figure.axes[:3])
        assert "head 1" in figure.axes[1].get_title(loc="left")
        assert "head 2" in figure.axes[2].get_title(loc="left")
        assert figure.get_suptitle().endswith(("100% of their variance", "99% of their variance"))
        drawn = np.asarray(observed.get_array())
        places = drawn.argmax(0)
        assert np.abs(np.asarray(supposed.get_array()).argmax(0) - places).max() <= 1
        order = np.argsort(priorities[index, :length].numpy())
        assert (np.diff(places[order]) * np.sign(slope) >= 0).all()
        assert drawn.shape[1] == length
        assert read.get_array().shape[1] == answers
        assert observed.get_extent()[:2] == [-0.5, length - 0.5]
        assert read.get_extent()[:2] == [length + 0.5, length + answers + 0.5]
        (tick, *_), (name, *_) = figure.axes[0].get_yticks(), figure.axes[0].get_yticklabels()
        slot = int(name.get_text())
        row = trace["write_weights"][index, :length, 1, slot].numpy()
        np.testing.assert_array_equal(drawn[round(tick)], row)
        assert viz.to_array(figure).std() > 0

    def test_dots_stand_where_the_vector_that_is_due_was_written(self):
        batch, priorities, trace = sorted_by_place()
        figure = viz.sorting_figure(batch, priorities, trace)
        (dots,) = figure.axes[2].get_lines()
        written = np.asarray(figure.axes[1].images[0].get_array()).argmax(0)
        bits = batch.inputs[0, :20, :8]
        for step, place in zip(dots.get_xdata(), dots.get_ydata()):
            (shown,) = (bits == batch.targets[0, step]).all(1).nonzero(as_tuple=True)
            assert place in written[shown.numpy()]
        assert list(dots.get_xdata()) == list(range(21, 37))
        assert [axes.get_xlim() for axes in figure.axes[:3]] == [(-0.5, 19.5)] * 2 + [(20.5, 36.5)]

    @pytest.mark.parametrize("ahead", [0, 1])
    def test_the_head_that_reads_what_is_due_is_drawn_rather_than_a_sharper_one(self, ahead):
        batch, priorities, trace = sorted_by_place(ahead=ahead)
        trace["read_weights"][:, :, 0] = torch.eye(128)[7]
        figure = viz.sorting_figure(batch, priorities, trace)
        assert "head 2" in figure.axes[2].get_title(loc="left")

    def test_a_head_that_hardly_points_anywhere_is_not_drawn(self):
        """Head 0 writes exactly by the priority, but its largest weight is only just that."""
        batch, priorities, trace = sorted_by_place()
        for t in range(20):
            trace["write_weights"][0, t, 0] = 1 / 128
            trace["write_weights"][0, t, 0, round(64 + 60 * float(priorities[0, t]))] = 1.1 / 128
        figure = viz.sorting_figure(batch, priorities, trace)
        assert "head 1" in figure.axes[1].get_title(loc="left")

    @pytest.mark.parametrize("ahead", [0, 1])
    def test_of_heads_that_write_in_order_of_arrival_the_one_is_drawn_that_is_read(self, ahead):
        """Heads 0 and 2 write as sharply as head 1, elsewhere; no place is linear in the priority."""
        batch, priorities, trace = sorted_by_place()
        trace = trace.map(torch.zeros_like)
        for t in range(20):
            for head, first in enumerate((10, 50, 90)):
                trace["write_weights"][0, t, head, first + t] = 1.0
        for t, given in enumerate(priorities[0, :20].argsort(descending=True)[:16]):
            trace["read_weights"][0, 21 + t - ahead, 2, 50 + int(given)] = 0.9
        figure = viz.sorting_figure(batch, priorities, trace)
        assert "head 1" in figure.axes[1].get_title(loc="left")
        assert "head 2" in figure.axes[2].get_title(loc="left")

    def test_the_line_against_numpys(self):
        random = np.random.default_rng(0)
        x, y = random.normal(size=12), random.integers(0, 9, 12)
        line = fit_line(x, y)
        np.testing.assert_allclose(line.locations, np.polyval(np.polyfit(x, y, 1), x))
        assert line.explained == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
        assert fit_line(x, np.full(12, 3)).explained == 0

    @pytest.mark.parametrize("slots", [1, 2, 300])
    def test_any_memory_can_be_drawn(self, slots):
        task = PrioritySort(vectors=1, outputs=1)
        batch = task.sample(1, 1, torch.Generator().manual_seed(0))
        weights = torch.rand(1, 3, 2, slots)
        trace = weightings(weights, weights, batch.lengths)
        assert viz.to_array(viz.sorting_figure(batch, task.priorities(batch), trace)).std() > 0

    def test_errors(self):
        batch, priorities, trace = sorted_by_place()
        with pytest.raises(ValueError, match=r"shape of batch\.mask \(2, 37\), got \(37,\)"):
            viz.sorting_figure(batch, priorities[0], trace)
        with pytest.raises(ValueError, match="0 steps with a priority and 16 scored steps; both are needed"):
            viz.sorting_figure(batch, priorities * torch.nan, trace)
        with pytest.raises(ValueError, match="37 steps in the batch but 36 in the trace"):
            viz.sorting_figure(batch, priorities, trace | {"lengths": trace["lengths"] - 1})
        with pytest.raises(KeyError, match=r"needs trace\['write_weights'\]"):
            viz.sorting_figure(batch, priorities, FakeTrace({"lengths": batch.lengths}, {}))


def test_every_metric_of_a_length_table_is_drawn():
    table = {
        400: {"cost": 250.0, "optimal": 248.5, "excess": 1.5},
        200: {"cost": 130.0, "optimal": 128.0, "excess": -0.1},
    }
    figure = viz.lengths_figure(table, trained_on=(200, 200))
    assert [axes.get_ylabel() for axes in figure.axes] == ["bits per sequence"] * 2 + ["excess bits per sequence"]
    for axes, name in zip(figure.axes, ("cost", "optimal", "excess")):
        assert list(axes.get_lines()[0].get_ydata()) == [table[200][name], table[400][name]]
    assert viz.to_array(figure).std() > 0
    assert viz.lengths_figure({3: {"perplexity": 2.0}}).axes[0].get_ylabel() == "perplexity"


def test_excess_is_a_training_curve():
    figure = viz.training_figure({"val/loss": ([1, 2], [0.7, 0.5]), "val/excess": ([1, 2], [50.0, 2.0])})
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "excess bits per sequence"]
