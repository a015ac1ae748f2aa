"""Figures of any model on any task, and that none of them ends a run."""

import logging
from typing import NamedTuple

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import memnets
from learners import CHECKS, learner, trainer
from memnets import Interface, Memory, MemoryCell, Part, Record, Recurrent, viz
from memnets.base.seeding import generator
from memnets.decoding.cells import make_cell
from memnets.training import inspection
from memnets.training.callbacks.pictures import Pictures
from memnets.training.inspection import draw_all, draw_example, example_text, is_traceable, run_example, save_all
from memnets.training.loggers import log_picture
from memnets_tasks import Batch, BucketSort, Copy, DynamicNGrams, PrioritySort, Task
from reading_cases import LineTask, SceneTask, tiny_captioner, tiny_reader

COMMON = {"memory-at-work", "sequence", "weightings", "gates", "vectors", "memory"}


class QueueState(NamedTuple):
    slots: torch.Tensor  # (B, N, M), the newest first


class Queue(Memory):
    """Each step pushes a vector and reads the oldest."""

    def __init__(self, slots=4, width=5):
        super().__init__()
        self.slots, self.width, self.reads_size = slots, width, width
        self.interface = Interface(value=Part((width,), "tanh"))

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return QueueState(torch.zeros(batch_size, self.slots, self.width, device=device, dtype=dtype))

    def initial_reads(self, state):
        return state.slots[:, -1]

    def step(self, parts, state):
        pushed = torch.cat([parts.value.unsqueeze(1), state.slots[:, :-1]], dim=1)
        return pushed[:, -1], QueueState(pushed)


def recurrent(memory, task):
    cell = MemoryCell(task.input_size, memory, controller="gru", hidden_size=6)
    return Recurrent(cell, output_size=task.output_size, backend="reference")


@pytest.fixture
def said(caplog):
    """What was said since, line by line."""
    inspection._say.cache_clear()
    caplog.set_level(logging.WARNING, logger="memnets.figures")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "memnets.figures"]


@pytest.mark.parametrize(
    ("task", "own"),
    [
        (Copy(bits=2, max_length=3), set()),
        (DynamicNGrams(max_length=30, min_length=10), {"predictions"}),
        (PrioritySort(), {"sorting"}),
    ],
)
def test_a_tasks_own_figures_are_drawn_with_the_others(task, own, said):
    sizes = (task.input_size, 8)
    ntm = memnets.NTM(*sizes, output_size=task.output_size, slots=9, width=5, read_heads=2, write_heads=2)
    assert set(draw_all(ntm, task)) == COMMON | own
    lstm = memnets.LSTM(*sizes, output_size=task.output_size)
    assert set(draw_all(lstm, task)) == {"sequence"} | own & {"predictions"}
    assert not said()


def test_the_first_figure_shows_the_memory_and_what_was_made_of_the_inputs(said):
    task = Copy(bits=2, max_length=3)
    ntm = memnets.NTM(task.input_size, 8, output_size=2, slots=9, width=5)
    titles = [axes.get_title(loc="left") for axes in draw_example(ntm, task).axes]
    assert {"external inputs", "add", "reads", "write weights", "read weights"} <= set(titles)
    assert ntm.training
    assert "write weights" in example_text(ntm, task)
    lstm = memnets.LSTM(task.input_size, 8, output_size=2)
    assert draw_example(lstm, task).get_suptitle().startswith("Sequence 0")
    assert example_text(lstm, task) == ""
    assert not said()


def test_a_memory_of_ones_own_is_drawn(said):
    task = Copy(bits=2, max_length=3)
    model = recurrent(Queue(), task)
    assert set(draw_all(model, task)) == {"memory-at-work", "sequence", "vectors", "memory"}
    titles = [axes.get_title(loc="left") for axes in draw_example(model, task).axes]
    assert {"external inputs", "slots: size of each slot", "value"} <= set(titles)
    assert example_text(model, task) == ""
    assert not said()


def test_two_memories_of_one_cell_are_both_drawn(said):
    class Both(Queue):
        def __init__(self):
            super().__init__()
            self.inner = Queue(3, 5)

        def initial_state(self, batch_size, *, device=None, dtype=None):
            return BothState(super().initial_state(batch_size), self.inner.initial_state(batch_size))

        def initial_reads(self, state):
            return super().initial_reads(state.own)

        def step(self, parts, state):
            read, own = super().step(parts, state.own)
            read, inner = self.inner(read, state.inner)
            return read, BothState(own, inner)

    class BothState(NamedTuple):
        own: QueueState
        inner: QueueState

    task = Copy(bits=2, max_length=3)
    figure = draw_all(recurrent(Both(), task), task)["vectors"]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len([title for title in titles if title.endswith("value")]) == 2
    assert not said()


class Sure(nn.Module):
    """Knows the first ``wrong`` answers wrongly, and the others rightly but with a chance below a half."""

    def __init__(self, targets, wrong):
        super().__init__()
        self.targets, self.wrong = targets, wrong

    def forward(self, inputs, state=None, lengths=None):
        wanted = self.targets.clone()
        first = wanted.any(-1).nonzero()[: self.wrong]
        wanted[first[:, 0], first[:, 1]] = wanted[first[:, 0], first[:, 1]].roll(1, -1)
        return 0.1 * wanted, None


def test_answers_that_are_symbols_are_wrong_where_another_is_the_largest():
    task = BucketSort(max_length=5)
    targets = run_example(Sure(torch.zeros(1, 10, 2), 0), task).batch.targets
    figure = draw_all(Sure(targets, 2), task)["sequence"]
    assert figure.get_suptitle() == "Sequence 0: 2 wrong of 5 answers"


class Broken(Queue):
    """A queue whose records are as ``broken`` says."""

    def __init__(self, broken):
        super().__init__()
        self.broken = broken

    def record(self, parts, prev_state, state):
        return {**super().record(parts, prev_state, state), "odd": self.broken(state.slots)}


def fails(slots):
    raise RuntimeError("no record\nof this")


@pytest.mark.parametrize(
    ("broken", "left", "reason"),
    [
        (fails, {"sequence"}, "no record of this"),
        (lambda slots: Record(slots, "sculpture"), {"sequence"}, "'sculpture'"),
        (lambda slots: Record(slots[:, 0, 0], "contents"), {"memory-at-work", "sequence", "vectors", "memory"}, "odd"),
        (lambda slots: Record(slots + 1j, "vector"), {"memory-at-work", "sequence", "vectors", "memory"}, "odd"),
        (lambda slots: Record(slots[:, :0], "weighting"), {"memory-at-work", "sequence", "vectors", "memory"}, "odd"),
    ],
)
def test_a_record_that_cannot_be_drawn_is_said_once_and_left_out(broken, left, reason, said):
    task = Copy(bits=2, max_length=3)
    model = recurrent(Broken(broken), task)
    for _ in range(3):
        assert set(draw_all(model, task)) == left
        assert isinstance(draw_example(model, task), Figure)
        assert example_text(model, task) == ""
    (line,) = said()
    assert reason in line
    assert "\n" not in line


def test_figures_that_fail_are_said_once_and_left_out(monkeypatch, said):
    class Own(Copy):
        def figures(self, batch, predictions, trace):
            return {"own": 1 / 0}

    def broken(*args, **kwargs):
        raise ValueError("no paint")

    task = Own(bits=2, max_length=3)
    model = memnets.NTM(task.input_size, 8, output_size=2, slots=9, width=5)
    monkeypatch.setattr(viz, "sequence_figure", broken)
    for _ in range(2):
        assert set(draw_all(model, task)) == COMMON - {"sequence"}
    lines = said()
    assert len(lines) == 2
    assert any("sequence" in line and "no paint" in line for line in lines)
    assert any("the task's own" in line and "division by zero" in line for line in lines)
    for name in ("memory_work_figure", "weightings_text"):
        monkeypatch.setattr(viz, name, broken)
    assert isinstance(draw_example(model, task), Figure)
    assert example_text(model, task) == ""


def test_a_model_that_fails_has_no_figures_and_an_impossible_length_is_an_error(said):
    class Fails(nn.Module):
        def forward(self, inputs, state=None, lengths=None):
            raise RuntimeError("out of memory")

    task = Copy(bits=2, max_length=3)
    assert draw_all(Fails(), task) == {}
    assert draw_example(Fails(), task) is None
    assert any("out of memory" in line for line in said())
    with pytest.raises(ValueError, match="length"):
        draw_all(Fails(), task, length=-1)


class Tokens(Task):
    """Say the token given, or, with ``numbers``, a number that is no bit."""

    min_length, max_length, evaluation_lengths, length_unit = 1, 4, (4,), "tokens"

    def __init__(self, numbers=False):
        self.numbers, self.output_size = numbers, 1 if numbers else 5
        self.vocabulary = 5

    def sample(self, batch_size, length, generator):
        tokens = torch.randint(5, (batch_size, 4), generator=generator)
        mask = torch.ones(batch_size, 4, dtype=torch.bool)
        targets = tokens.unsqueeze(-1) * 0.3 if self.numbers else tokens
        return Batch(tokens, targets, mask, torch.full((batch_size,), 4))

    def loss(self, outputs, batch):
        raise NotImplementedError

    scores = errors = loss


@pytest.mark.parametrize("numbers", [False, True])
def test_tasks_whose_answers_are_no_bits_have_the_figures_of_the_memory(numbers, said):
    task = Tokens(numbers)
    model = memnets.NTM(3, 8, output_size=task.output_size, vocabulary=5, slots=9, width=5)
    assert set(draw_all(model, task)) == COMMON - {"sequence"}
    assert not said()


def test_figures_of_what_was_read_and_said(said):
    memory = {"memory-at-work", "weightings", "gates", "vectors", "memory"}
    model = tiny_reader(cell="ntm")
    assert is_traceable(model)
    assert set(draw_all(model.train(), LineTask())) == {"reading"} | memory
    assert model.training
    assert draw_example(model, LineTask()).get_suptitle().startswith("Read: ")
    assert "write weights" in example_text(model, LineTask())
    assert set(draw_all(tiny_reader(), LineTask())) == {"reading"}
    assert set(draw_all(tiny_captioner(cell="ntm"), SceneTask())) == {"caption"} | memory
    assert set(draw_all(tiny_captioner(), SceneTask())) == {"caption"}
    assert set(draw_all(tiny_reader(cell="ntm", decode="ctc"), LineTask())) == {"reading"}  # the cell has no part in it
    assert isinstance(draw_example(tiny_captioner(), SceneTask()), Figure)
    assert not said()


@pytest.mark.parametrize("beam_size", [1, 3])
def test_what_a_memory_did_is_that_of_one_greedy_reading(beam_size, said):
    """Joint decoding puts several texts of a line through the cell at once: to trace that ended a run."""
    model = tiny_reader(cell="ntm", decode="joint").eval()
    model.beam_size = beam_size
    example = run_example(model, LineTask())
    assert (model.decode, model.beam_size) == ("joint", beam_size)
    batch = LineTask().sample(1, LineTask.max_length, generator(0, "example", 0))
    with memnets.trace(model) as record:
        model.read(batch.images, batch.widths, decode="attention")
    assert example.trace is not None
    assert torch.equal(example.trace["read_weights"], record["read_weights"])
    assert len(record["read_weights"]) == 1
    assert not said()


def test_a_cell_with_a_memory_that_it_does_not_use_has_figures_of_the_other(said):
    def two(input_size):
        cell = make_cell("ntm", input_size, 8, slots=4, width=2)
        cell.other = make_cell("ntm", input_size, 8, slots=4, width=2)
        return cell

    assert {"reading", "weightings"} <= set(draw_all(tiny_reader(cell=two), LineTask()))
    assert not said()


def test_what_cannot_be_saved_is_left_out(tmp_path, said):
    figure = viz.lengths_figure({1: {"bit_errors": 1.0}})
    (tmp_path / "taken.pdf").mkdir()
    paths = save_all({"good": figure, "taken": figure}, tmp_path, ".pdf")
    assert paths == {"good": tmp_path / "good.pdf"}
    assert paths["good"].read_bytes().startswith(b"%PDF")
    (line,) = said()
    assert "taken" in line


class Keeps:
    """A logger that takes pictures as W&B's does."""

    def __init__(self):
        self.got = []

    def log_image(self, key, images, step):
        self.got.append((key, images, step))


class Writes:
    """A logger whose experiment takes pictures as TensorBoard's does."""

    def __init__(self):
        self.experiment, self.got = self, []

    def add_image(self, tag, image, step, dataformats):
        self.got.append((tag, image.shape, step, dataformats))


def test_pictures_go_to_every_logger_that_takes_them(tmp_path):
    figure = viz.lengths_figure({1: {"bit_errors": 1.0}})
    keeps, writes = Keeps(), Writes()
    path = viz.save_figure(figure, tmp_path / "a.png")
    assert log_picture(keeps, "memory", path, 7)
    assert keeps.got == [("memory", [str(tmp_path / "a.png")], 7)]
    assert log_picture(writes, "memory", path, 7)
    (key, shape, step, layout) = writes.got[0]
    assert (key, shape[2], step, layout) == ("memory", 3, 7, "HWC")
    assert not log_picture(object(), "memory", path, 7)


def test_pictures_are_drawn_at_every_second_validation(tmp_path, said):
    trainer(max_steps=8, callbacks=[Pictures(tmp_path, every=2)], **CHECKS).fit(learner())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000004.png", "step-000008.png"]
    assert not said()


@pytest.mark.parametrize("broken", ["save_figure", "draw_example"])
def test_a_picture_that_fails_ends_no_training(broken, tmp_path, monkeypatch, said):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(f"memnets.training.callbacks.pictures.{broken}", fail)
    quiet = trainer(max_steps=4, callbacks=[Pictures(tmp_path, every=1)], **CHECKS)
    quiet.fit(learner())
    assert quiet.global_step == 4
    (line,) = said()
    assert "disk full" in line
