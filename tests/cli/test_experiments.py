"""Every experiment of the paper's tasks, of images and of recall trains."""

import pytest

from cli.experiment_cases import names, train
from memnets.experiments.catalogue import experiments


def test_every_folder_of_experiments_is_trained():
    assert set(experiments()) == set(names("algorithmic", "images", "recall", "formal", "language", "video"))


@pytest.mark.parametrize("name", names("algorithmic", "recall"))
def test_an_experiment_trains(name, tmp_path, monkeypatch):
    train(name, tmp_path, monkeypatch, figures=not name.endswith(("-lstm", "-ff")))


@pytest.mark.parametrize("name", names("images"))
def test_an_experiment_of_images_trains(name, tmp_path, monkeypatch):
    train(name, tmp_path, monkeypatch, "--training.batch_size", "4")
