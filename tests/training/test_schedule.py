"""Schedulers of the learning rate, named in a file."""

import csv

import pytest
import torch
import yaml

from memnets.cli import main
from memnets.experiments.run_dir import RunDir
from memnets.training.callbacks import StopWhenSolved
from memnets.training.schedule import after_step
from running import TINY, fit

TORCH = "torch.optim.lr_scheduler"
PLAIN = ["--model.backend", "reference", "--optimizer", "torch.optim.SGD", "--optimizer.lr", "0.5"]
STEPS = ["--trainer.val_check_interval", "3", "--trainer.log_every_n_steps", "1"]
MONITOR = ["--trainer.callbacks+=lightning.pytorch.callbacks.LearningRateMonitor"]


pytestmark = pytest.mark.usefixtures("without_figures")


def checkpoint(run):
    return RunDir(run).read_checkpoint()


def rates(run):
    """The rate of each step, as Lightning's own callback sees it at its start."""
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [float(row["lr-SGD"]) for row in rows if row.get("lr-SGD")]


def test_a_schedule_takes_a_step_with_the_optimiser_and_is_resumed_exactly(tmp_path):
    schedule = ["--lr_scheduler", f"{TORCH}.ExponentialLR", "--lr_scheduler.gamma", "0.5", *MONITOR]
    whole = fit(tmp_path, *PLAIN, *STEPS, *schedule, "--trainer.max_steps", "6", run_id="whole")
    assert rates(whole) == pytest.approx([0.5 * 0.5**step for step in range(6)])
    part = fit(tmp_path, *PLAIN, *STEPS, *schedule, "--trainer.max_steps", "3", run_id="part")
    assert main(["resume", str(part), "--trainer.max_steps", "6"]) == 0
    first, second = checkpoint(whole), checkpoint(part)
    assert all(torch.equal(first["state_dict"][name], tensor) for name, tensor in second["state_dict"].items())
    assert first["lr_schedulers"] == second["lr_schedulers"]
    assert rates(part) == pytest.approx(rates(whole))
    config = yaml.safe_load((part / "config.yaml").read_text())["lr_scheduler"]
    assert config == {"class_path": f"{TORCH}.ExponentialLR", "init_args": {"gamma": 0.5, "last_epoch": -1}}
    assert main(["resume", str(part), "--trainer.max_steps", "9", "--lr_scheduler.gamma", "0.9"]) == 2
    assert main(["resume", str(part), "--trainer.max_steps", "9", "--optimizer.lr", "0.1"]) == 2


def test_a_plateau_is_of_validations(tmp_path):
    plateau = ["--lr_scheduler", f"{TORCH}.ReduceLROnPlateau", "--lr_scheduler.patience", "0"]
    still = ["--lr_scheduler.threshold", "0.99", "--lr_scheduler.factor", "0.1"]  # nothing is better by so much
    run = fit(tmp_path, *PLAIN, *STEPS, *plateau, *still, "--trainer.max_steps", "9")
    (group,) = checkpoint(run)["optimizer_states"][0]["param_groups"]
    assert group["lr"] == pytest.approx(0.5 * 0.1**2)  # the first validation is the best so far


def test_annealing_takes_its_share_of_the_schedule():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=10)

    class Trainer:
        optimizers = [optimizer]
        lr_scheduler_configs = [type("Config", (), {"scheduler": scheduler})]
        global_step = 0

    trainer, solved = Trainer(), StopWhenSolved(0.1, anneal_steps=4)
    used = []
    for step in range(6):
        trainer.global_step = step
        solved.anneal_from = 2 if step >= 2 else None
        solved.on_train_batch_start(trainer, None, None, step)
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        after_step(trainer)
    assert used == pytest.approx([1.0, 0.9, 0.8 * 1, 0.7 * 0.75, 0.6 * 0.5, 0.5 * 0.25])


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--lr_scheduler", f"{TORCH}.OneCycleLR", "--lr_scheduler.max_lr", "1", "--lr_scheduler.total_steps", "2"],
         1, "OneCycleLR: Tried to step"),
        (["--lr_scheduler", f"{TORCH}.StepLR", "--lr_scheduler.step_size", "2", "--training.collapse_rise", "1"],
         2, "collapse_rise is 1.0"),
        (["--lr_scheduler", "torch.optim.SGD"], 2, f"--lr_scheduler: torch.optim.SGD is no {TORCH}.LRScheduler"),
        (["--lr_scheduler", f"{TORCH}.CosineAnnealingLR"], 2, "cannot be made without --lr_scheduler.T_max"),
        (["--lr_scheduler", f"{TORCH}.CosineAnnealingLR", "--lr_scheduler.T_max", "abc"],
         2, "--lr_scheduler.T_max: expected an int. Got value: abc\n"),
        (["--lr_scheduler", f"{TORCH}.CosineAnnealingLR", "--lr_scheduler.T_max", "0"],
         2, "--lr_scheduler CosineAnnealingLR cannot take a step"),
        (["--lr_scheduler", f"{TORCH}.OneCycleLR", "--lr_scheduler.max_lr", "1"], 2, "--lr_scheduler: You must define"),
        (["--init_from", ""], 2, "--init_from is empty"),
        (["--lr_scheduler", f"{TORCH}.NoSuchLR"], 2, "has no attribute 'NoSuchLR'"),
    ],
)  # fmt: skip
def test_what_does_not_go_is_one_line(arguments, status, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    more = [*PLAIN, *STEPS, "--trainer.max_steps", "6", "--runs", str(tmp_path)]
    assert main(["fit", "copy-ntm", *TINY, *more, *arguments]) == status
    error = capsys.readouterr().err.splitlines(keepends=True)[-1]
    assert said in error
    assert status == 1 or not list(tmp_path.iterdir())
