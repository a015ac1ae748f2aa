"""Training, validating and drawing models that have a loss and predictions of their own."""

import copy
from collections.abc import Callable

import lightning.pytorch as pl
import pytest
import torch

from memnets import viz
from memnets.decoders import Caption
from memnets.training import SequenceLearner
from reading_cases import LineTask, SceneTask, tiny_captioner, tiny_reader

CASES: dict[str, tuple[Callable, type]] = {"reader": (tiny_reader, LineTask), "captioner": (tiny_captioner, SceneTask)}


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
    scene, first, second = figure.axes
    assert scene.get_title() == "the scene"
    assert [first.get_title(), second.get_title()] == ["red  gate 1.00", "square  gate 0.25"]
    for panel, (y, x) in ((first, (0, 4)), (second, (4, 12))):
        lit = panel.images[0].get_array()
        assert lit[y : y + 4, x : x + 4].min() == pytest.approx(1)
        assert lit.sum() == pytest.approx(3 * (16 * 1 + (128 - 16) * 0.2), rel=1e-5)
    long = Caption(("word",) * 40, 0.5, torch.ones(40, 2, 4), None)
    assert len([panel for panel in viz.caption_figure(torch.ones(3, 8, 16), long).axes if panel.images]) == 24
    viz.to_array(viz.caption_figure(torch.ones(3, 8, 16), Caption((), 0.5, None, None)))
