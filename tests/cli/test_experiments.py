"""Every experiment of the paper's tasks, of images and of recall trains."""

import pytest

from cli.experiment_cases import names, train
from font_cases import square_font
from memnets.experiments.catalogue import experiments

DRAWN_ALIKE = ("adding-ntm", "associative-recall-ntm", "graph-traversal-ntm", "graph-traversal-dnc", "repeat-copy-ntm",
               "selective-copying-ntm", "serial-recall-ntm")  # fmt: skip
"""Drawn by the same code as copy, of numbers, and MQAR, of tokens: these tasks have no figures of their own."""


def test_every_folder_of_experiments_is_trained():
    pictures = ("images", "video", "classify", "draw", "glimpses")
    assert set(experiments()) == set(names("algorithmic", "recall", "formal", "language", "tables", *pictures))


@pytest.mark.parametrize("name", names("algorithmic", "recall"))
def test_an_experiment_trains(name, tmp_path, monkeypatch):
    train(name, tmp_path, monkeypatch, figures=not name.endswith(("-lstm", "-ff")) and name not in DRAWN_ALIKE)


@pytest.mark.parametrize("name", names("classify", "draw", "glimpses"))
def test_an_experiment_of_digits_trains(name, tmp_path, monkeypatch):
    few = ["--training.batch_size", "4", "--training.failure_sequences", "1", "--task.evaluation_lengths", "[1]"]
    train(name, tmp_path, monkeypatch, *few, figures=name in ("draw-digits", "glimpses-digits"))


@pytest.mark.parametrize("name", names("images"))
def test_an_experiment_of_images_trains(name, tmp_path, monkeypatch):
    font = ["--task.fonts", f"[{square_font(tmp_path / 'font.ttf')}]"] if name == "ocr-chinese" else []
    train(name, tmp_path, monkeypatch, "--training.batch_size", "4", *font, figures=not name.startswith("stories-"))
