"""Every experiment that ships, trained for two steps on a CUDA device."""

import pytest
import torch

from cli.experiment_cases import names, train
from cli.test_experiments_language import SMALL_TEXT
from font_cases import square_font
from memnets.experiments.catalogue import config_folder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
FAMILIES = sorted(path.name for path in config_folder().iterdir() if path.is_dir())


@pytest.mark.parametrize("name", names(*FAMILIES))
def test_an_experiment_trains(name, tmp_path, monkeypatch):
    family = next(path.parent.name for path in config_folder().glob(f"*/{name}.yaml"))
    more = SMALL_TEXT if name.startswith("chars") and name != "chars-hello" else []
    if family == "formal":
        more = ["--task.min_length", "1", "--task.max_length", "10"]
    if family in ("classify", "draw", "glimpses"):
        more = ["--task.evaluation_lengths", "[1]"]
    if name == "ocr-chinese":
        more = ["--task.fonts", f"[{square_font(tmp_path / 'font.ttf')}]"]
    few = ["--training.batch_size", "4", "--trainer.accelerator", "gpu"]
    train(name, tmp_path, monkeypatch, *few, *more, figures=False)
