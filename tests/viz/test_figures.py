"""Figures show the data they are given: the right sequence, cut at its length, with clear errors."""

import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
import torch
from figure_cases import SIZES, FakeTrace, copy_task, random_task
from matplotlib.figure import Figure

from memnets import viz
from memnets.viz._slots import of_weights, used_slots


def panel(figure: Figure, title: str):
    """The one panel whose title starts with `title`."""
    found = [axes for axes in figure.axes if axes.get_title(loc="left").startswith(title)]
    assert len(found) == 1, [axes.get_title(loc="left") for axes in figure.axes]
    return found[0]


def shown(figure: Figure, title: str, image: int = 0) -> np.ndarray:
    """The array drawn in a panel, rows by columns."""
    return panel(figure, title).images[image].get_array()


TRACE_FIGURES = [viz.weightings_figure, viz.memory_figure, viz.gates_figure, viz.vectors_figure, viz.records_figure]


@pytest.mark.parametrize("sizes", SIZES)
def test_every_figure_can_be_drawn_at_odd_sizes(sizes):
    batch, outputs, trace = random_task(**sizes)
    for index in range(len(batch.lengths)):
        figures = [draw(trace, index=index) for draw in TRACE_FIGURES]
        figures.append(viz.memory_work_figure(batch, outputs, trace, index=index))
        figures.append(viz.sequence_figure(batch, outputs, index=index))
    assert all(viz.to_array(figure).std() > 0 for figure in figures[-3:])
    assert viz.to_array(viz.batch_figure(batch)).std() > 0


def test_weightings_are_the_traces_cut_at_the_sequences_length():
    _, _, trace = random_task(B=2, T=5, R=3, W=2, N=6, lengths=[5, 3])
    figure = viz.weightings_figure(trace, index=1)
    for head in range(3):
        expected = trace["read_weights"][1, :3, head].T
        np.testing.assert_array_equal(shown(figure, f"read weights (head {head})"), expected)
    for head in range(2):
        expected = trace["write_weights"][1, :3, head].T
        np.testing.assert_array_equal(shown(figure, f"write weights (head {head})"), expected)


def test_weightings_show_only_the_used_slots():
    _, _, trace = copy_task(counts=(12,), slots=128, first_slot=30)
    figure = viz.weightings_figure(trace)
    np.testing.assert_array_equal(shown(figure, "write weights"), trace["write_weights"][0, :, 0, 27:45].T)
    assert "18 of 128" in panel(figure, "write weights").get_ylabel()
    rows = dict(zip(panel(figure, "read weights").get_yticks(), panel(figure, "read weights").get_yticklabels()))
    assert all(int(text.get_text()) == row + 27 for row, text in rows.items())


def test_a_walk_past_the_last_slot_stays_in_one_piece():
    _, _, trace = copy_task(counts=(12,), slots=128, first_slot=122)
    figure = viz.weightings_figure(trace)
    slots = [*range(119, 128), *range(0, 9)]
    np.testing.assert_array_equal(shown(figure, "write weights"), trace["write_weights"][0][:, 0, slots].T)
    rows = dict(zip(panel(figure, "read weights").get_yticks(), panel(figure, "read weights").get_yticklabels()))
    assert all(int(text.get_text()) == slots[int(row)] for row, text in rows.items())


def test_no_used_slot_is_left_out():
    rng = np.random.default_rng(0)
    for _ in range(500):
        slots = int(rng.integers(1, 60))
        weights = (rng.random((3, 2, slots)) < rng.random() ** 3).astype(float)
        drawn = used_slots(of_weights(weights))
        assert set(np.flatnonzero(weights.any((0, 1)))) <= set(drawn)
        assert len(set(drawn)) == len(drawn) <= slots
        assert set(np.diff(drawn) % slots) <= {1 % slots}


def test_all_slots_are_shown_where_all_are_used():
    _, _, trace = random_task(N=127)
    assert shown(viz.weightings_figure(trace), "write weights (head 0)").shape == (127, 5)


def test_weak_weightings_are_visible():
    _, _, trace = random_task(N=127, R=1, W=1)
    image = panel(viz.weightings_figure(trace), "read weights").images[0]
    assert image.get_clim() == (0.0, pytest.approx(image.get_array().max(), rel=0.2))


def test_memory_at_work_holds_the_six_panels_on_one_time_axis():
    batch, outputs, trace = copy_task(counts=(12, 7, 9), wrong=2)
    figure = viz.memory_work_figure(batch, outputs, trace, index=1)
    np.testing.assert_array_equal(shown(figure, "external inputs"), batch.inputs[1, :15].T)
    np.testing.assert_array_equal(shown(figure, "add"), trace["add"][1, :15, 0].T)
    np.testing.assert_array_equal(shown(figure, "reads"), trace["reads"][1, :15, 0].T)
    assert {axes.get_xlim() for axes in figure.axes if axes.get_title(loc="left")} == {(-0.5, 14.5)}
    assert "0 of 42 wrong" in panel(figure, "outputs").get_title(loc="left")
    first = viz.memory_work_figure(batch, outputs, trace, index=0)
    assert "2 of 72 wrong" in panel(first, "outputs").get_title(loc="left")


def test_only_scored_outputs_are_shown():
    batch, outputs, _ = copy_task(counts=(12, 7, 9))
    outputs[:, :8] = 99.0  # unscored steps may hold anything
    drawn = shown(viz.sequence_figure(batch, outputs, index=1), "outputs")
    np.testing.assert_array_equal(np.ma.getmaskarray(drawn), ~batch.mask[1, :15].expand(6, -1))
    np.testing.assert_array_equal(drawn[:, 8:], outputs[1, 8:15].T)


def test_wrong_bits_are_marked_where_they_are():
    batch, outputs, _ = copy_task(counts=(12, 7, 9), wrong=3)
    figure = viz.sequence_figure(batch, outputs)
    marked = ~np.ma.getmaskarray(shown(figure, "errors", image=1))
    assert list(zip(*np.nonzero(marked))) == [(0, 14), (1, 15), (2, 16)]
    assert figure.get_suptitle() == "Sequence 0: 3 wrong of 72 scored values"


def test_of_a_softmax_the_largest_output_counts():
    batch, outputs, _ = copy_task(counts=(2,))
    chances = torch.tensor([[0.4, 0.3, 0.3, 0.1, 0.3, 0.6], [0.2, 0.7, 0.1, 0.6, 0.3, 0.1]])  # two answers a step
    wanted = torch.tensor([[1.0, 0, 0, 0, 0, 1], [1, 0, 0, 1, 0, 0]])
    batch.targets[0, 3:5], outputs[0, 3:5] = wanted, chances
    figure = viz.sequence_figure(batch, outputs, classes=3)
    assert figure.get_suptitle() == "Sequence 0: 1 wrong of 4 answers"
    marked = ~np.ma.getmaskarray(shown(figure, "errors", image=1))
    assert list(zip(*np.nonzero(marked))) == [(0, 4), (1, 4)]
    with pytest.raises(ValueError, match="classes is 4"):
        viz.sequence_figure(batch, outputs, classes=4)


def test_batch_figure_sets_unscored_and_missing_steps_apart():
    batch, _, _ = copy_task(counts=(12, 7, 9))
    figure = viz.batch_figure(batch, count=2)
    assert len([axes for axes in figure.axes if axes.images]) == 4
    targets = panel(figure, "sequence 1: targets")
    np.testing.assert_array_equal(targets.images[0].get_array(), batch.targets[1, :15].T)
    (hatched,) = targets.patches
    assert (hatched.get_x(), hatched.get_width()) == (-0.5, 8.0)
    assert targets.get_xlim() == (-0.5, 24.5)
    assert len(viz.batch_figure(batch, count=50).axes) == 7  # three sequences, and the colour bar


def test_memory_is_drawn_at_the_steps_asked_and_the_last():
    _, _, trace = random_task(B=2, T=9, lengths=[9, 6])
    figure = viz.memory_figure(trace, index=1, steps=[2])
    np.testing.assert_array_equal(shown(figure, "memory\nafter step 2"), trace["memory"][1, 2])
    np.testing.assert_array_equal(shown(figure, "after step 5 (last)"), trace["memory"][1, 5])
    low, high = panel(figure, "memory").images[0].get_clim()
    assert low == -high
    with pytest.raises(IndexError, match=r"0\.\.5 for sequence 1, got 6"):
        viz.memory_figure(trace, index=1, steps=[6])


def test_gates_are_drawn_a_line_a_head():
    _, _, trace = random_task(B=2, T=5, R=3, W=2, S=5, lengths=[5, 4])
    figure = viz.gates_figure(trace, index=1)
    for title, name in (("interpolation", "interpolation_gate"), ("strength", "strength"), ("sharp", "sharpening")):
        lines = panel(figure, title).get_lines()
        np.testing.assert_array_equal([line.get_ydata() for line in lines], trace[name][1, :4].T)
        assert [line.get_label() for line in lines][2:4] == ["read head 2", "write head 0"]
    assert panel(figure, "interpolation").get_ylabel() == "gate (0 to 1)"
    low, high = panel(figure, "interpolation").get_ylim()
    assert low < 0 < 1 < high
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "time (step)"]
    shift = shown(viz.weightings_figure(trace, index=1), "shift (write head 1)")
    np.testing.assert_array_equal(shift, trace["shift"][1, :4, 4].T)


def test_zeros_are_visible_over_length():
    table = {
        "40": {"bit_errors": 3.0, "sequence_accuracy": 0.5},
        "20": {"bit_errors": 0.0, "sequence_accuracy": 1.0},
        "120": {"bit_errors": 0.02, "sequence_accuracy": 0.98},
    }
    errors, accuracy = viz.lengths_figure(table, trained_on=(1, 20)).axes
    (line,) = errors.get_lines()
    assert list(line.get_xdata()) == [20, 40, 120]
    assert list(line.get_ydata()) == [0.0, 3.0, 0.02]
    pixels = errors.transData.transform(line.get_xydata())[:, 1]
    box = errors.get_window_extent()
    assert np.isfinite(pixels).all()
    assert box.y0 + 3 < pixels[0] < pixels[2] - 10 < pixels[1] < box.y1 - 3
    for axes in (errors, accuracy):
        (band,) = axes.patches
        assert (band.get_x(), band.get_width()) == (1, 19)


@pytest.mark.parametrize("errors", [[0.0, 0.0], [2.0, 4.0], [0.0, 5e4], [float("nan"), 0.0]])
def test_lengths_can_be_drawn_whatever_the_errors(errors):
    table = {n: {"bit_errors": e, "sequence_accuracy": 0.0} for n, e in zip((1, 1000), errors)}
    assert viz.to_array(viz.lengths_figure(table, trained_on=20)).std() > 0


def test_many_metrics_stand_in_rows_each_on_its_own_scale():
    names = ("character_error_rate", "word_accuracy", "one_minus_ned", "alignment_error", "bleu1", "cider")
    figure = viz.lengths_figure({n: dict.fromkeys(names, 0.4) for n in (6, 12)})
    scales = {axes.get_ylabel(): (axes.get_yscale(), axes.get_ylim()[1]) for axes in figure.axes}
    assert len(scales) == len(names) - 1  # two are scores
    assert scales["character error rate (share)"][0] == "log"
    assert scales["line accuracy (share)"] == scales["1 - normalised edit distance"] == ("linear", 1.03)
    width, height = figure.get_size_inches()
    assert 15 < width < 19
    assert 6 < height < 8
    assert viz.training_figure({"val/character_error_rate": ([1, 2], [0.5, 0.0])}).axes[0].get_yscale() == "symlog"


def test_training_curves_show_losses_and_zero_bit_errors():
    counts = list(range(10, 2010, 10))
    metrics = {
        "train/loss": (counts, [1.0 / n for n in counts]),
        "val/bit_errors": ([100, 200, 300], [5.0, float("nan"), 0.0]),
        "lr": (counts, counts),
    }
    figure = viz.training_figure(metrics)
    loss, bits = figure.axes
    raw, median = loss.get_lines()
    assert loss.get_yscale() == "log"
    np.testing.assert_allclose(raw.get_ydata(), metrics["train/loss"][1])
    assert "median of 11" in str(median.get_label())
    np.testing.assert_allclose(median.get_ydata()[0], np.median(metrics["train/loss"][1][:11]))
    assert median.get_xdata()[0] == counts[5]
    assert list(bits.get_lines()[0].get_ydata()) == [5.0, 0.0]
    assert bits.get_yscale() == "symlog"
    assert bits.get_ylim()[0] < 0


@pytest.mark.parametrize("draw", [*TRACE_FIGURES, viz.weightings_text])
def test_a_wrong_index_names_the_batch(draw):
    _, _, trace = random_task(B=2)
    for index in (2, -1):
        with pytest.raises(IndexError, match=rf"index must lie in 0\.\.1 .* got {index}"):
            draw(trace, index=index)


@pytest.mark.parametrize(
    ("draw", "kind"),
    [
        (viz.weightings_figure, "weighting"),
        (viz.weightings_text, "weighting"),
        (viz.memory_figure, "contents"),
        (viz.matrices_figure, "matrix"),
        (viz.gates_figure, "gate or scalar"),
        (viz.vectors_figure, "vector"),
    ],
)
def test_what_a_figure_is_of_is_named_with_what_there_is(draw, kind):
    trace = FakeTrace({"one": torch.ones(1, 2, 3), "lengths": torch.tensor([2])}, {"one": "gate"})
    if kind != "gate or scalar":
        with pytest.raises(ValueError, match=rf"of the kind {kind}, but .* only one \(gate\)"):
            draw(trace)
    with pytest.raises(ValueError, match=rf"of the kind {kind}, but .* only nothing"):
        draw(FakeTrace({"lengths": torch.tensor([2])}, {}))
    _, _, trace = random_task()
    del trace["lengths"]
    if kind != "matrix":
        with pytest.raises(KeyError, match=r"needs trace\['lengths'\]"):
            draw(trace)


def test_bad_values_are_named_with_the_remedy():
    batch, outputs, trace = random_task(B=2, T=5, lengths=[5, 3])
    with pytest.raises(ValueError, match=r"probabilities in 0\.\.1, got values from .*logits\.sigmoid"):
        viz.sequence_figure(batch, outputs * 20 - 10)
    with pytest.raises(ValueError, match=r"shape of batch\.targets \(2, 5, 2\), got \(2, 5, 1\)"):
        viz.sequence_figure(batch, outputs[..., :1])
    with pytest.raises(ValueError, match="5 steps in the batch but 4 in the trace"):
        viz.memory_work_figure(batch, outputs, trace | {"lengths": torch.tensor([4, 3])})
    with pytest.raises(ValueError, match=r"trace\['memory'\] is a contents and needs at least 4 .* got \(2, 5, 6\)"):
        viz.memory_figure(trace | {"memory": trace["memory"][..., 0]})
    with pytest.raises(ValueError, match="sequence 1 has length 0"):
        viz.weightings_figure(trace | {"lengths": torch.tensor([5, 0])}, index=1)
    with pytest.raises(ValueError, match=r"agree in \(B,T\)"):
        viz.batch_figure(batch._replace(mask=batch.mask[:, :3]))
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        viz.batch_figure(batch, count=0)
    with pytest.raises(ValueError, match=r"length 20 lacks \['sequence_accuracy'\]"):
        viz.lengths_figure({20: {"bit_errors": 1.0}, 40: {"bit_errors": 1.0, "sequence_accuracy": 0.5}})
    with pytest.raises(ValueError, match="empty"):
        viz.lengths_figure({})
    with pytest.raises(ValueError, match=r"no column ends in 'loss', 'bit_errors', .*: got \['lr'\]"):
        viz.training_figure({"lr": ([1], [1])})
    with pytest.raises(ValueError, match="2 sequence counts but 1 values"):
        viz.training_figure({"train/loss": ([1, 2], [1])})


def test_values_that_are_not_finite_are_drawn_as_missing():
    _, _, trace = random_task(R=1, W=1)
    trace["memory"][0, -1, 2] = float("nan")
    figure = viz.memory_figure(trace)
    assert all(np.isfinite(axes.images[0].get_clim()).all() for axes in figure.axes if axes.images)
    assert viz.to_array(figure).std() > 0
    trace["read_weights"][0, 2:] = float("nan")
    trace["write_weights"][0, 2:] = float("nan")
    assert viz.to_array(viz.weightings_figure(trace)).std() > 0
    assert viz.weightings_text(trace)


def test_half_precision_and_gradients_are_welcome():
    batch, outputs, trace = random_task()
    trace = trace.map(lambda tensor: tensor.bfloat16().requires_grad_())
    assert viz.memory_work_figure(batch, outputs.bfloat16().requires_grad_(), trace)


def test_no_global_state_is_touched(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it fails
    before = matplotlib.rcParams.copy()
    batch, outputs, trace = copy_task()
    viz.to_array(viz.memory_work_figure(batch, outputs, trace))
    assert matplotlib.rcParams.copy() == before


def test_figures_can_be_made_in_threads():
    _, _, trace = random_task()
    with ThreadPoolExecutor(4) as pool:
        arrays = list(pool.map(lambda _: viz.to_array(viz.memory_figure(trace)), range(4)))
    assert all((array == arrays[0]).all() for array in arrays)
