"""Every experiment of language, of video and of tables trains."""

import pytest

from cli.experiment_cases import names, train

SMALL_TEXT = ["--task.max_characters", "20000", "--task.ngram_order", "0", "--task.length", "6"]


@pytest.mark.parametrize("name", names("language", "video", "tables"))
def test_an_experiment_trains(name, tmp_path, monkeypatch):
    more = SMALL_TEXT if name.startswith("chars") and name != "chars-hello" else []
    train(name, tmp_path, monkeypatch, "--training.batch_size", "4", *more, figures=name.endswith("-lstm"))
