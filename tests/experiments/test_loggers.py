"""Loggers by class path: the default ones, any of Lightning's, one's own; what is refused; old configurations."""

import csv
import re

import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger, Logger

from memnets.base.errors import UsageError
from memnets.cli import main
from memnets.experiments.loggers import make_loggers, plan_loggers
from memnets.experiments.run_dir import RunDir
from memnets.training.loggers import MetricsCSV, Wandb
from running import command, fit

WANDB = {"project": "p", "entity": None, "group": None, "log_checkpoint": False}
STEPS = ["--trainer.max_steps", "20", "--trainer.val_check_interval", "10"]


def made(settings, tmp_path, mode="offline", trusted=True):
    plans = plan_loggers(settings, WANDB, mode, trusted=trusted)
    return make_loggers(plans, RunDir(tmp_path), experiment="copy", run_id="a", resumed=False)


def test_the_run_says_where_a_logger_writes(tmp_path):
    path = "lightning.pytorch.loggers.CSVLogger"
    _, logger = made([path], tmp_path)
    assert isinstance(logger, CSVLogger)
    assert logger.log_dir == str(tmp_path / "lightning_logs" / "a")
    _, other = made([{"class_path": path, "init_args": {"save_dir": str(tmp_path / "b"), "name": "c"}}], tmp_path)
    assert other.log_dir == str(tmp_path / "b" / "c" / "a")


def test_weights_and_biases_is_left_out_where_it_is_disabled(tmp_path):
    both = ["memnets.training.loggers.MetricsCSV", "memnets.training.loggers.Wandb"]
    assert [type(logger) for logger in made(both, tmp_path)] == [MetricsCSV, Wandb]
    assert [type(logger) for logger in made(both, tmp_path, mode="disabled")] == [MetricsCSV]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["torch.nn.Linear"], "loggers: torch.nn.Linear is no Logger"),
        (["lightning.pytorch.loggers.CSVLoger"], "no attribute 'CSVLoger'; did you mean CSVLogger"),
        ([{"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"nam": "x"}}], "did you mean name"),
        ([{"class_path": "memnets.training.loggers.Wandb", "init_args": {"mode": "online"}}], "in the section wandb"),
        ([{"class": "x"}], "loggers holds {'class': 'x'}, but must be a list of classes"),
        ([3], "loggers holds 3"),
        (["nowhere.Log"], "there is no module nowhere"),
        (["os.system"], "os.system is no Logger"),
    ],
)
def test_refused(settings, message, tmp_path):
    with pytest.raises(UsageError, match=re.escape(message)):
        made(settings, tmp_path)


def test_of_a_stranger_only_ours_that_stay_in_the_run(tmp_path):
    made(["lightning.pytorch.loggers.CSVLogger"], tmp_path, trusted=False)
    for settings in (
        ["mine.Log"],
        [{"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": "/"}}],
    ):
        with pytest.raises(UsageError, match="add --trust"):
            made(settings, tmp_path, trusted=False)


OWN = """
from lightning.pytorch.loggers import Logger

class Lines(Logger):
    def __init__(self, save_dir: str, prefix: str = ""):
        super().__init__()
        self.file, self.prefix, self.images = open(f"{save_dir}/lines.txt", "a"), prefix, []
    name = version = ""
    def log_hyperparams(self, params, *args):
        print(self.prefix, "begins", params["seed"], file=self.file, flush=True)
    def log_metrics(self, metrics, step=None):
        print(self.prefix, step, *sorted(metrics), file=self.file, flush=True)
    def log_image(self, key, images, step=None):
        print(self.prefix, "image", key, step, file=self.file, flush=True)
    def finalize(self, status):
        print(self.prefix, status, file=self.file, flush=True)
"""


def test_a_logger_of_ones_own_gets_numbers_and_pictures_and_is_resumed(tmp_path):
    from running import TINY

    (tmp_path / "mylogs.py").write_text(OWN)
    loggers = "[memnets.training.loggers.MetricsCSV, {class_path: mylogs.Lines, init_args: {prefix: run}}]"
    arguments = [*TINY, *STEPS, "--loggers", loggers, "--training.pictures_every", "1", "--run_id", "a"]
    done = command("fit", "copy-ntm", *arguments, drawn=True, PWD=str(tmp_path))
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "copy-ntm" / "a"
    lines = (run / "lines.txt").read_text().splitlines()
    assert lines[0] == "run begins 0"
    assert any("train/loss" in line and line.startswith("run 10 ") for line in lines)
    assert "run image memory 10" in lines
    assert "run image figures/lengths None" in lines
    assert lines[-1] == "run success"
    assert not (run / "wandb").exists()
    more = command("resume", str(run), "--trainer.max_steps", "30", PWD=str(tmp_path))
    assert more.returncode == 0, more.stderr
    assert any(line.startswith("run 30 ") for line in (run / "lines.txt").read_text().splitlines())


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    loggers = "[memnets.training.loggers.MetricsCSV, lightning.pytorch.loggers.TensorBoardLogger]"
    run = fit(tmp_path, *STEPS, "--loggers", loggers, "--training.pictures_every", "1", drawn=True)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(next(run.rglob("events.out*")).parent))
    events.Reload()
    with (run / "metrics.csv").open() as file:
        ours = {int(row["step"]): float(row["val/bit_errors"]) for row in csv.DictReader(file) if row["val/bit_errors"]}
    assert {event.step: pytest.approx(event.value) for event in events.Scalars("val/bit_errors")} == ours
    assert {"memory", "figures/lengths"} <= set(events.Tags()["images"])


def test_a_configuration_of_before_loggers_still_logs(tmp_path, monkeypatch, without_figures):
    """Version 0.1.0 had a section wandb, and no loggers."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = fit(tmp_path, *STEPS)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config.pop("loggers") == ["memnets.training.loggers.MetricsCSV", "memnets.training.loggers.Wandb"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "metrics.csv").unlink()
    assert main(["resume", str(run), "--trainer.max_steps", "30"]) == 0
    assert (run / "metrics.csv").is_file()


def test_a_logger_that_cannot_begin_leaves_no_run_behind(tmp_path, monkeypatch, capsys):
    def refuse(self, params, *args):
        raise UsageError("no room for numbers")

    monkeypatch.setattr(MetricsCSV, "log_hyperparams", refuse)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(["fit", "copy-ntm", "--runs", str(tmp_path / "runs"), "--trainer.max_steps", "1"]) == 2
    assert "no room for numbers" in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("*/*"))
    assert issubclass(MetricsCSV, Logger)
