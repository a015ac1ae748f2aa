"""Every experiment of formal languages trains."""

import pytest

from cli.experiment_cases import names, train

DRAWN = ("reverse-string-stack", "reverse-string-neural-stack", "recognition-nondeterministic-stack")
"""The first of each memory whose figures differ."""


@pytest.mark.parametrize("name", names("formal"))
def test_an_experiment_trains(name, tmp_path, monkeypatch):
    few = ["--training.batch_size", "4", "--task.min_length", "1", "--task.max_length", "10"]
    train(name, tmp_path, monkeypatch, *few, figures=name in DRAWN)
