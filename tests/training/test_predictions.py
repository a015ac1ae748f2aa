"""Training, validating and drawing models that have a loss and predictions of their own."""

import copy
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

import memnets
from memnets import NTM, viz
from memnets.base.errors import UsageError
from memnets.base.model import TrainingOutputs
from memnets.decoding.joint import Reading
from memnets.experiments.config import instantiate, parse_experiment
from memnets.experiments.fit import Fit
from memnets.experiments.printing import print_lengths
from memnets.models.captioner import Caption
from memnets.text.symbol_tables import WithSymbols
from memnets.training import SequenceLearner, evaluate_lengths
from memnets.training.adapters import corpus_scores, probe, validation_numbers
from memnets.viz import _fonts
from memnets.viz._fonts import family_for
from memnets_tasks import Copy
from reading_cases import LETTERS, LineTask, SceneTask, draw, loss_of, tiny_captioner, tiny_reader

CASES: dict[str, tuple[Callable, type]] = {"reader": (tiny_reader, LineTask), "captioner": (tiny_captioner, SceneTask)}


def test_no_public_model_is_missing_from_the_list():
    public = [getattr(memnets, name) for name in memnets.__all__]
    kinds = {kind for kind in public if isinstance(kind, type) and issubclass(kind, WithSymbols)}
    kinds -= {memnets.LanguageModel, memnets.Seq2Seq, memnets.StoryTeller}  # tests/models
    assert kinds == {type(make()) for make, _ in CASES.values()}


@pytest.mark.parametrize("case", CASES)
def test_copies_weights_and_precisions(case, tmp_path):
    make, task = CASES[case]
    model, batch = make().eval(), task().sample(3, 2, torch.Generator().manual_seed(0))
    loss = loss_of(model, batch)[0]
    assert torch.equal(loss_of(copy.deepcopy(model), batch)[0], loss)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    other = make().eval()
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(loss_of(other, batch)[0], loss)
    assert loss_of(other.double(), batch)[0].item() == pytest.approx(loss.item(), rel=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss_of(make(), batch)[0].isfinite()
        assert len(make().predict(batch)) == 3


@pytest.mark.parametrize("case", CASES)
def test_an_items_result_does_not_depend_on_the_rest_of_its_batch(case):
    make, task = CASES[case]
    model, batch = make(), task().sample(3, 2, torch.Generator().manual_seed(0))
    for b, prediction in enumerate(model.predict(batch)):
        (alone,) = model.predict(batch.shard(b, len(batch)))
        assert alone[0] == prediction[0]
        assert alone.confidence == pytest.approx(prediction.confidence, rel=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_the_learner_trains_and_validates(case):
    make, task = CASES[case]
    work = SequenceLearner(make(), task(), batch_size=4, validation_size=6, optimizer=torch.optim.Adam)
    before = copy.deepcopy(work.model.state_dict())
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = pl.Trainer(
        max_steps=4, max_epochs=-1, val_check_interval=2, check_val_every_n_epoch=None, num_sanity_val_steps=0,
        log_every_n_steps=1, enable_model_summary=False, **quiet,
    )  # fmt: skip
    trainer.fit(work)
    assert work.sequences == 16
    assert work.validation_error in [n / 6 for n in range(7)]
    logged = {"reader": "attention_loss", "captioner": "word_loss"}[case]
    assert {"val/loss", f"val/{logged}", "val/word_accuracy", f"train/{logged}"} <= set(trainer.callback_metrics)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in work.model.state_dict().items())


def test_validation_runs_free():
    """The right texts are not in reach of what is validated: the loss may be perfect and the reading wrong."""
    reader = tiny_reader(ctc_weight=0.0).eval()
    perfect = TrainingOutputs(SimpleNamespace(loss=torch.zeros(())), numbers={"attention_loss": torch.zeros(())})
    reader.training_outputs = lambda batch: perfect
    batch = draw(["abcd", "dcba"])
    errors, numbers = validation_numbers(reader, LineTask(), batch)
    read = [reading.text for reading in reader.read(batch.images, batch.widths)]
    assert errors.tolist() == [float(text != right) for text, right in zip(read, batch.texts)]
    assert errors.sum() > 0
    assert numbers["loss"] == 0
    assert numbers["word_accuracy"] == 1 - errors.mean()


def test_lengths_are_evaluated_by_prediction():
    model, task = tiny_reader().train(), LineTask()
    table = evaluate_lengths(model, task, (3, 6), sequences=7, batch_size=4)
    assert model.training
    assert table.keys() == {3, 6}
    assert table[3].keys() == {"word_accuracy"}
    assert table == evaluate_lengths(model, task, (3, 6), sequences=7, batch_size=4)


def test_a_task_scores_a_corpus_as_a_whole():
    """The mean of the batches' rates is not the rate of all."""
    task = LineTask()
    task.corpus_scores = lambda pairs: {"pairs": torch.tensor(float(sum(len(predictions) for predictions, _ in pairs)))}
    batches = [draw(["a", "b"]), draw(["abc"])]
    assert corpus_scores(tiny_reader(), task, batches) == {"pairs": 3.0}


def test_by_default_a_corpus_is_scored_by_the_mean_over_its_sequences():
    scores = iter([1.0, 0.0])
    task = Copy(bits=2)
    task.scores = lambda predictions, batch: {"accuracy": torch.tensor(next(scores))}
    batches = [task.sample(count, 3, torch.Generator().manual_seed(0)) for count in (2, 1)]
    model = NTM(3, 4, output_size=2, slots=4, width=3)
    assert corpus_scores(model, task, batches) == {"accuracy": pytest.approx(2 / 3)}
    with pytest.raises(ValueError, match="nothing to score"):
        task.corpus_scores([])


def test_a_probe_leaves_no_trace():
    model = tiny_reader().train()
    before = copy.deepcopy(model.state_dict())
    probe(model, LineTask(), draw(["ab"]))
    assert model.training
    assert model.encoder.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("model", "task", "message"),
    [
        (
            lambda: tiny_reader(),
            lambda: Copy(),
            "TextReader needs a task with a charset, but Copy has none: readers go w",
        ),
        (lambda: NTM(2, 3), lambda: LineTask(), "NTM takes sequences, but LineTask has none: readers go with"),
        (lambda: tiny_reader(charset="ab"), lambda: LineTask(), "the model's charset lacks 'c', which LineTask has"),
        (lambda: tiny_captioner(vocabulary=["a"]), lambda: SceneTask(), "the model's vocabulary lacks 'square'"),
    ],
)
def test_a_model_and_a_task_that_do_not_go_are_named(model, task, message):
    with pytest.raises(ValueError, match=message):
        SequenceLearner(model(), task())


EXPERIMENT = """
task: {{class_path: reading_cases.{task}}}
model: {{class_path: memnets.{model}, init_args: {{hidden_size: 8{more}}}}}
optimizer: {{class_path: torch.optim.Adam, init_args: {{lr: 0.001}}}}
"""


def parsed(tmp_path: Path, task: str, model: str, more: str = "", overrides: tuple[str, ...] = ()):
    path = tmp_path / "reading.yaml"
    path.write_text(EXPERIMENT.format(task=task, model=model, more=more))
    return parse_experiment(path, list(overrides))


def test_the_command_line_hands_the_tasks_symbols_to_the_model(tmp_path):
    parser, config = parsed(tmp_path, "LineTask", "TextReader", ", height: 8")
    objects = instantiate(parser, config)
    assert objects.model.charset == LETTERS
    Fit("reading", parser, config, objects, "disabled")
    parser, config = parsed(tmp_path, "SceneTask", "Captioner")
    objects = instantiate(parser, config)
    assert objects.model.vocabulary == SceneTask.vocabulary
    Fit("captions", parser, config, objects, "disabled")


def test_the_command_line_refuses_what_does_not_go(tmp_path):
    with pytest.raises(UsageError, match=r"--model.charset cannot be set: the task says it"):
        parsed(tmp_path, "LineTask", "TextReader", overrides=("--model.charset", "abc"))
    parser, config = parsed(tmp_path, "LineTask", "TextReader", ", height: 16")
    objects = instantiate(parser, config)
    with pytest.raises(UsageError, match=r"TextReader does not work on a batch of LineTask: .* height 8, .*height=16"):
        Fit("reading", parser, config, objects, "disabled")


def test_a_reading_figure_shows_the_weights_over_the_pixels():
    weights = torch.zeros(2, 12)
    weights[0, 1], weights[1, 9] = 1, 0.5
    weights[:, :10] += 1e-9
    figure = viz.reading_figure(torch.rand(1, 8, 20), Reading("a ", 0.5, weights), truth="ab")
    line, panel, _ = figure.axes
    assert line.images[0].get_array().shape == (8, 20)
    assert panel.images[0].get_array().shape == (2, 10)
    assert panel.images[0].get_extent() == [-0.5, 19.5, 1.5, -0.5]  # 2 pixels a column; padding is left out
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["a", "\u2423"]
    assert "should be: 'ab'" in figure.get_suptitle()
    viz.to_array(figure)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_reading_figure_of_weights_that_are_nowhere_but_at_the_start(dtype):
    """Weights far from where attention is may be exactly 0; the scale is that of the padded image all the same."""
    weights = torch.zeros(2, 30, dtype=dtype)
    weights[0, 2] = weights[1, 5] = 1
    figure = viz.reading_figure(torch.rand(1, 8, 100), Reading("ab", 0.5, weights), padded_width=120)
    shown = figure.axes[1].images[0]
    assert shown.get_extent() == [-0.5, 99.5, 1.5, -0.5]  # 4 pixels a column
    assert shown.get_array().shape == (2, 25)


def test_the_title_of_a_long_reading_stays_within_the_figure():
    figure = viz.reading_figure(torch.rand(1, 8, 20), Reading("0" * 300, 0.5, None), truth="1" * 300)
    viz.to_array(figure)
    (title,) = figure.texts
    edges = title.get_window_extent()
    assert 0 <= edges.x0 < edges.x1 <= figure.bbox.width


def test_a_reading_without_attention_and_signs_of_mathematics_are_drawn():
    figure = viz.reading_figure(torch.rand(1, 8, 20), Reading("$a$_\\", 0.5, None), truth="$a$_\\")
    assert len(figure.axes) == 1
    assert figure.get_suptitle() == "Read: '\\$a\\$_\\', confidence 0.50, as it should be"  # shown without those of \\$
    viz.to_array(figure)
    viz.to_array(viz.reading_figure(torch.rand(3, 8, 20), Reading("", 0.1, torch.zeros(0, 5))))
    with pytest.raises(ValueError, match=r"image has shape \(8, 20\)"):
        viz.reading_figure(torch.rand(8, 20), Reading("a", 0.5, None))


def test_a_caption_figure_shows_what_each_word_was_said_of():
    weights = torch.zeros(2, 2, 4)
    weights[0, 0, 1], weights[1, 1, 3] = 1, 0.2
    caption = Caption(("red", "square"), 0.5, weights, torch.tensor([1.0, 0.25]))
    figure = viz.caption_figure(torch.ones(3, 8, 16), caption)
    scene, first, second = figure.axes
    assert scene.get_title() == "the scene"
    assert [first.get_title(), second.get_title()] == ["red  gate 1.00", "square  gate 0.25"]
    for panel, expected in zip((first, second), weights):
        picture, over = panel.images
        assert picture.get_array().shape == (8, 16, 3)
        torch.testing.assert_close(torch.tensor(over.get_array()), expected.double())
        assert over.get_extent() == [-0.5, 15.5, 7.5, -0.5]
        assert over.get_clim() == (0, pytest.approx(expected.max().item()))
    long = Caption(("word",) * 40, 0.5, torch.ones(40, 2, 4), None)
    assert len([panel for panel in viz.caption_figure(torch.ones(3, 8, 16), long).axes if panel.images]) == 24
    viz.to_array(viz.caption_figure(torch.ones(3, 8, 16), Caption((), 0.5, None, None)))


def test_a_metric_that_one_length_lacks_is_left_open_and_shown_so(capsys):
    """An untrained reader finds no place of a character on some lengths."""

    class Sparse(LineTask):
        def corpus_scores(self, pairs):
            ((_, batch),) = pairs
            placed = {"alignment_error": torch.tensor(0.5)} if len(batch.texts[0]) == 6 else {}
            return {"character_error_rate": torch.tensor(0.25), **placed}

    table = evaluate_lengths(tiny_reader(), Sparse(), (3, 6), sequences=2)
    assert [list(row) for row in table.values()] == [["character_error_rate", "alignment_error"]] * 2
    assert math.isnan(table[3]["alignment_error"])
    print_lengths(table, Sparse(), 2, "test")
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in capsys.readouterr().out.splitlines()]
    assert ["3", "25.0%", "-"] in rows
    assert ["6", "25.0%", "0.50"] in rows
    errors, places = viz.lengths_figure(table).axes
    np.testing.assert_array_equal(places.get_lines()[0].get_ydata(), [math.nan, 0.5])
    viz.to_array(errors.figure)


@pytest.fixture
def dominoes(tmp_path, monkeypatch):
    """A font with one sign that matplotlib's own lacks, installed after matplotlib wrote down which fonts there are."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from matplotlib.font_manager import fontManager

    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 700), (900, 700), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "sign"])
    builder.setupCharacterMap({0x6CE8: "sign"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "sign": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "sign": (1000, 100)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Dominoes", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "dominoes.ttf")
    before = list(fontManager.ttflist)
    monkeypatch.setattr(_fonts, "findSystemFonts", lambda: [str(tmp_path / "dominoes.ttf")])
    _fonts._add_new_fonts.cache_clear()
    family_for.cache_clear()
    yield
    fontManager.ttflist[:] = before
    _fonts._add_new_fonts.cache_clear()
    family_for.cache_clear()


@pytest.mark.parametrize("weights", [None, torch.eye(2, 5)])
def test_other_scripts_are_drawn_with_a_font_that_has_them(dominoes, weights):
    """Else they are empty boxes, and a warning each."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        viz.to_array(viz.reading_figure(torch.rand(1, 8, 20), Reading("a\u6ce8", 0.5, weights)))


def test_matplotlibs_own_font_does_where_it_can():
    assert family_for("abc \u00e9$") is None
    assert family_for("\U0010fffd") is None  # no font has it
