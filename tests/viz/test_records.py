"""A memory that nobody foresaw is drawn by the kinds of its records."""

import numpy as np
import pytest
import torch
from figure_cases import FakeTrace, copy_task, queue_trace, random_task, two_memories, unforeseen_trace

from memnets import viz
from memnets.base.records import KINDS

OVER_TIME = {"weightings": viz.weightings_figure, "gates": viz.gates_figure, "vectors": viz.vectors_figure}


def panels(figure):
    """Panels by the first line of their titles, colour bars left out."""
    return {axes.get_title(loc="left").split("\n")[0]: axes for axes in figure.axes if axes.get_title(loc="left")}


def drawn(figure, title):
    return np.asarray(panels(figure)[title].images[0].get_array())


def lines(figure, title):
    return np.array([line.get_ydata() for line in panels(figure)[title].get_lines()])


def colour_bars(figure):
    return {axes.get_ylabel() for axes in figure.axes if not axes.get_title(loc="left")}


def test_every_kind_has_a_figure_and_every_record_a_panel():
    trace = unforeseen_trace()
    assert set(trace.kinds.values()) == set(KINDS)
    for index, steps in enumerate((6, 4)):
        figures = {name: draw() for name, draw in viz.trace_figures(trace, index).items()}
        assert set(figures) == {"weightings", "gates", "vectors", "memory", "matrices"}
        titles = " ".join(title for figure in figures.values() for title in panels(figure))
        assert all(name.replace("_", " ") in titles for name in trace.kinds)
        for name in OVER_TIME:
            assert {axes.get_xlim() for axes in panels(figures[name]).values()} == {(-0.5, steps - 0.5)}
    assert all(viz.to_array(figure).std() > 0 for figure in figures.values())


@pytest.mark.parametrize("index", [0, 1])
def test_values_are_those_of_the_sequence_up_to_its_length(index):
    trace = unforeseen_trace()
    steps = int(trace["lengths"][index])

    def of(name):
        return trace[name][index, :steps].numpy()

    figures = {name: draw() for name, draw in viz.trace_figures(trace, index).items()}
    np.testing.assert_array_equal(drawn(figures["weightings"], "one pointer"), of("one_pointer").T)
    np.testing.assert_array_equal(drawn(figures["weightings"], "pointers (head 2)"), of("pointers")[:, 2].T)
    np.testing.assert_array_equal(drawn(figures["weightings"], "modes (head 1)"), of("modes")[:, 1].T)
    np.testing.assert_array_equal(drawn(figures["vectors"], "told"), of("told").T)
    np.testing.assert_array_equal(drawn(figures["vectors"], "told by heads (head 1)"), of("told_by_heads")[:, 1].T)
    gates = figures["gates"]
    np.testing.assert_array_equal(lines(gates, "valve"), of("valve")[None])
    np.testing.assert_array_equal(lines(gates, "valves"), of("valves").T)
    np.testing.assert_array_equal(drawn(gates, "many valves"), of("many_valves").T)
    np.testing.assert_array_equal(drawn(gates, "valves of heads (head 1)"), of("valves_of_heads")[:, 1].T)
    np.testing.assert_array_equal(lines(gates, "depths"), of("depths")[:, :, 0].T)
    np.testing.assert_array_equal(drawn(gates, "many"), of("many").T)
    np.testing.assert_array_equal(drawn(figures["memory"], "held"), of("held")[0])
    np.testing.assert_array_equal(drawn(figures["memory"], "stacks (1)"), of("stacks")[0, 1])
    np.testing.assert_array_equal(drawn(figures["matrices"], "orders (0)"), of("orders")[0, 0])


def test_colours_and_axes_say_what_they_are():
    figures = {name: draw() for name, draw in viz.trace_figures(unforeseen_trace()).items()}
    assert colour_bars(figures["weightings"]) == {"weight"}
    assert colour_bars(figures["vectors"]) == {"value"}
    assert colour_bars(figures["gates"]) == {"gate (0 to 1)", "value"}
    assert panels(figures["gates"])["valve"].get_ylabel() == "gate (0 to 1)"
    assert panels(figures["gates"])["many valves"].images[0].get_clim() == (0, 1)
    low, high = panels(figures["vectors"])["told"].images[0].get_clim()
    assert low == -high  # zero has the colour in the middle
    assert panels(figures["memory"])["held"].get_xlabel() == "element"
    assert panels(figures["memory"])["held"].get_ylabel() == "slot"
    assert panels(figures["matrices"])["order"].get_ylabel() == "place (row)"
    assert panels(figures["matrices"])["order"].images[0].get_clim()[0] == 0  # no negative value
    assert panels(figures["matrices"])["orders (0)"].images[0].get_clim()[0] < 0
    labels = {axes.get_xlabel() for name in OVER_TIME for axes in figures[name].axes}
    assert labels == {"", "time (step)"}


@pytest.mark.parametrize(("name", "draw"), [*OVER_TIME.items(), ("all", viz.records_figure)])
def test_a_line_stands_between_listening_and_answering(name, draw):
    batch, _, trace = copy_task(counts=(12, 7, 9))

    def dashed(figure):
        own = [[x for line in axes.get_lines() for x in line.get_xdata()] for axes in panels(figure).values()]
        return [sorted({x for x in found if x % 1}) for found in own]  # steps are whole numbers

    assert all(found == [7.5] for found in dashed(draw(trace, 1, batch.mask)))
    assert not any(dashed(draw(trace, 1)))
    with pytest.raises(ValueError, match=r"mask must be \(B, T\) .* 15 steps of sequence 1, got \(3, 9\)"):
        draw(trace, 1, batch.mask[:, :9])


def test_contents_are_cropped_to_the_slots_that_are_used():
    _, _, trace = copy_task(counts=(12,), slots=128, first_slot=30)
    figure = viz.memory_figure(trace)
    np.testing.assert_array_equal(drawn(figure, "memory"), trace["memory"][0, 0, 27:45])
    assert "18 of 128" in panels(figure)["memory"].get_ylabel()
    ticks = zip(panels(figure)["memory"].get_yticks(), panels(figure)["memory"].get_yticklabels())
    assert all(int(text.get_text()) == row + 27 for row, text in ticks)


def test_contents_are_cropped_without_weightings_too():
    trace = queue_trace(steps=7, slots=100)
    assert drawn(viz.memory_figure(trace), "slots").shape == (9, 3)
    matrix = torch.zeros(1, 3, 80, 80)
    matrix[0, 2, 40, 44] = 1
    links = FakeTrace({"links": matrix, "lengths": torch.tensor([3])}, {"links": "matrix"})
    np.testing.assert_array_equal(drawn(viz.matrices_figure(links, steps=[2]), "links"), matrix[0, 2, 38:47, 38:47])


def test_what_was_written_where_no_head_points_is_not_cropped_away():
    _, _, trace = copy_task(counts=(12,), slots=128, first_slot=30)
    trace["memory"][0, 9:, 100] = 5.0
    shown = drawn(viz.memory_figure(trace, steps=[20]), "memory")
    assert (shown == 5.0).all(1).sum() == 1


def test_a_queue_is_one_picture():
    trace = queue_trace()
    figure = viz.records_figure(trace)
    norms = trace["slots"][0].double().norm(dim=-1).T
    np.testing.assert_allclose(drawn(figure, "slots: size of each slot"), norms, rtol=1e-6)
    np.testing.assert_array_equal(drawn(figure, "value"), trace["value"][0].T)
    assert colour_bars(figure) == {"norm", "value"}
    assert set(viz.trace_figures(trace)) == {"vectors", "memory"}


def test_a_memory_at_work_shows_all_records_where_it_lacks_those_of_the_paper():
    batch, outputs, _ = copy_task(counts=(3,))
    trace = queue_trace(steps=7)
    figure = viz.memory_work_figure(batch, outputs, trace)
    assert list(panels(figure)) == ["external inputs", "outputs (0 of 18 wrong)", "slots: size of each slot", "value"]
    _, _, trace = copy_task(counts=(3,))
    shown = list(panels(viz.memory_work_figure(batch, outputs, trace)))
    assert shown[2:] == ["add", "reads", "write weights", "read weights"]
    trace.kinds["add"] = "gate"  # the name alone does not do
    assert "interpolation gate" in panels(viz.memory_work_figure(batch, outputs, trace))


@pytest.mark.parametrize("draw", [*OVER_TIME.values(), viz.memory_figure, viz.records_figure])
def test_each_of_two_memories_has_a_block_of_its_own(draw):
    trace = two_memories()
    titles = [title for title in panels(draw(trace)) if not title.startswith("after step")]
    half = len(titles) // 2
    assert all(title.startswith("first: ") for title in titles[:half])
    assert [title.removeprefix("inner.second: ") for title in titles[half:]] == [
        title.removeprefix("first: ") for title in titles[:half]
    ]


def test_heads_are_named_by_what_they_do_where_that_is_known():
    _, _, trace = random_task(R=2, W=1)
    legend = [line.get_label() for line in panels(viz.gates_figure(trace))["strength"].get_lines()]
    assert legend == ["read head 0", "read head 1", "write head 0"]
    assert "key (write head 0)" in panels(viz.vectors_figure(trace))
    legend = [line.get_label() for line in panels(viz.gates_figure(unforeseen_trace()))["valves"].get_lines()]
    assert legend == ["head 0", "head 1"]


def test_equal_lines_all_show():
    trace = FakeTrace({"g": torch.ones(1, 4, 3), "lengths": torch.tensor([4])}, {"g": "gate"})
    first, *others = panels(viz.gates_figure(trace))["g"].get_lines()
    assert first.get_linestyle() == "-"
    widths = [line.get_linewidth() for line in (first, *others)]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 3


def test_of_very_many_heads_some_are_drawn_and_the_number_is_said():
    weights = torch.rand(1, 3, 300, 4).softmax(-1)
    trace = FakeTrace({"w": weights, "lengths": torch.tensor([3])}, {"w": "weighting"})
    titles = list(panels(viz.weightings_figure(trace)))
    assert len(titles) == 8
    assert all("8 of 300 shown" in title for title in titles)
    assert "12 of 300 heads shown" in viz.weightings_text(trace)
    assert len(viz.weightings_text(trace).split("\n")) <= 40


@pytest.mark.parametrize(("value", "everywhere"), [(float("nan"), False), (-float("inf"), True)])
def test_values_that_are_no_numbers_are_gaps_and_are_named(value, everywhere):
    def spoil(tensor):
        tensor = torch.full_like(tensor, value) if everywhere else tensor.clone()
        tensor[:, 2:4] = value
        return tensor

    trace = unforeseen_trace().map(spoil)
    figures = [draw() for draw in viz.trace_figures(trace).values()]
    for figure in figures:
        assert all(np.isfinite(axes.images[0].get_clim()).all() for axes in figure.axes if axes.images)
    viz.to_array(viz.records_figure(trace))
    for figure in figures[:3]:
        assert all("NaN or infinite" in title for title in panels(figure))
    assert not any("NaN" in title for title in panels(viz.weightings_figure(unforeseen_trace())))
    assert viz.weightings_text(trace)


@pytest.mark.parametrize("steps", [1, 300])
def test_one_step_and_very_many(steps):
    trace = unforeseen_trace(steps=max(steps, 3))
    trace["lengths"] = torch.tensor([steps, 1])
    assert all(draw() for draw in viz.trace_figures(trace).values())
    assert viz.to_array(viz.records_figure(trace)).std() > 0


def test_a_record_that_cannot_be_drawn_is_left_out_and_the_reason_given():
    trace = unforeseen_trace()
    trace["held"] = trace["held"][..., 0]
    trace["told"] = trace["told"] + 1j
    trace["order"] = trace["order"][..., :2]
    trace["valve"] = trace["valve"][:1]
    trace["many"] = trace["many"][..., :0]
    trace.kinds["pointers"] = "pointer"
    trace.kinds["gone"] = "gate"
    left, reasons = viz.drawable(trace)
    assert set(left.kinds) == set(trace.kinds) - set(reasons)
    assert "contents and needs at least 4" in reasons["held"]
    assert "complex64" in reasons["told"]
    assert "(B, T, ..., N, N), got (2, 6, 9, 2)" in reasons["order"]
    assert "holds 1 sequences, but lengths 2" in reasons["valve"]
    assert "none of them empty" in reasons["many"]
    assert "kind 'pointer'" in reasons["pointers"]
    assert "needs trace['gone']" in reasons["gone"]
    assert not any("\n" in reason for reason in reasons.values())
    for draw in viz.trace_figures(left).values():
        viz.to_array(draw())
    with pytest.raises(ValueError, match=r"trace\['held'\] is a contents"):
        viz.memory_figure(trace)


def test_names_with_signs_of_mathematics_are_shown_as_they_are():
    trace = FakeTrace({"a$b$_{": torch.rand(1, 3, 2), "lengths": torch.tensor([3])}, {"a$b$_{": "vector"})
    viz.to_array(viz.vectors_figure(trace))
