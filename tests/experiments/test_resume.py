"""A run that is killed and resumed ends with the same bits as one that never stopped."""

import csv
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from forked import Started
from running import TINY, command, environment, fit, result

STEPS = ["--trainer.max_steps", "900", "--trainer.val_check_interval", "50", "--wandb.mode", "disabled"]
STEPS += ["--training.threshold", "4.6", "--training.checks", "3", "--training.anneal_steps", "330"]
STEPS += ["--training.anneal_checks", "3", "--training.failure_bound", "0.5"]
"""Solved somewhere in between, so that the stopping rule and the annealed rate are resumed too."""


def start(runs: Path, name: str, *, drawn: bool = False) -> Started:
    arguments = ["fit", "copy-ntm", *TINY, *STEPS, "--runs", str(runs), "--run_id", name]
    return Started(arguments, environment(), runs, drawn=drawn)


def kill_at_step(process: Started, step: int, number: int) -> str:
    """Send a signal as soon as a validation at or after ``step`` has been printed; returns the rest of the output."""
    for line in process.stdout:
        if line.startswith("step") and int(line.split()[1].replace(",", "")) >= step:
            break
    time.sleep(0.05)  # some steps past the check, between two checkpoints
    process.send_signal(number)
    return process.communicate()


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if "per_second" not in k} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    run = fit(tmp_path_factory.mktemp("runs"), *STEPS, run_id="unbroken")
    torch.set_num_threads(threads)
    return run


def check_same(run: Path, unbroken: Path) -> None:
    assert {k: v for k, v in result(run).items() if "seconds" not in k} == {
        k: v for k, v in result(unbroken).items() if "seconds" not in k
    }
    ours, theirs = weights(run), weights(unbroken)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
    assert rows(run) == rows(unbroken)


def test_the_unbroken_run_was_solved_and_annealed(unbroken):
    got = result(unbroken)
    assert got["solved"]
    assert 150 < got["steps"] < 900


@pytest.mark.parametrize("step", [100, 400])
def test_sigkill_then_resume_is_bitwise_the_same(step, tmp_path, unbroken):
    process = start(tmp_path, "killed")
    kill_at_step(process, step, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    run = tmp_path / "copy-ntm" / "killed"
    assert not (run / "result.json").exists()
    resumed = command("resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
    check_same(run, unbroken)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_saves_and_exits_and_resume_is_bitwise_the_same(number, status, tmp_path, unbroken):
    process = start(tmp_path, "stopped")
    printed = kill_at_step(process, 100, number)
    assert process.returncode == status, printed
    run = tmp_path / "copy-ntm" / "stopped"
    assert f"stopped by {number.name} at step" in printed
    assert f"go on with: memnets resume {run}" in printed
    assert not (run / "result.json").exists()
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert f"at step {saved};" in printed
    resumed = command("resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
    check_same(run, unbroken)


def test_stopped_after_training_and_moved(tmp_path, unbroken):
    """A signal while figures are drawn; the directory is then moved, and resumed from within."""
    process = start(tmp_path, "late", drawn=True)
    run = tmp_path / "copy-ntm" / "late"
    for line in process.stdout:
        if line.startswith("step    480"):  # the last of this run
            break
    process.send_signal(signal.SIGTERM)
    printed = process.communicate()
    if process.returncode == 0:
        pytest.skip("it had ended before the signal came")
    assert process.returncode == 143, printed
    assert "go on with: memnets resume" in printed
    moved = run.rename(tmp_path / "elsewhere")
    resumed = command("resume", ".", PWD=str(moved))
    assert resumed.returncode == 0, resumed.stderr
    check_same(moved, unbroken)


def test_random_numbers_go_on_where_they_were(tmp_path):
    """Dropout draws the same after a resumption."""
    (tmp_path / "mine.py").write_text(
        "import torch, memnets\nclass Net(torch.nn.Module):\n"
        "    def __init__(self, input_size: int, output_size: int):\n        super().__init__()\n"
        "        self.drop, self.net = torch.nn.Dropout(0.5), memnets.GRU(input_size, 6, output_size=output_size)\n"
        "    def forward(self, inputs, lengths=None):\n        return self.net(self.drop(inputs), lengths=lengths)\n"
    )
    settings = [*TINY[:6], "--model", "mine.Net", "--training.batch_size", "4", "--training.evaluation_sequences", "2"]
    settings += ["--trainer.val_check_interval", "10", "--wandb.mode", "disabled", "--run_id", "a"]
    whole = command("fit", "copy-ntm", *settings, "--trainer.max_steps", "20", "--runs", "whole", PWD=str(tmp_path))
    assert whole.returncode == 0, whole.stderr
    half = command("fit", "copy-ntm", *settings, "--trainer.max_steps", "10", "--runs", "half", PWD=str(tmp_path))
    assert half.returncode == 0, half.stderr
    run = tmp_path / "half" / "copy-ntm" / "a"
    more = command("resume", str(run), "--trainer.max_steps", "20", PWD=str(tmp_path))
    assert more.returncode == 0, more.stderr
    assert "changed: trainer.max_steps 10 -> 20" in more.stdout
    ours, theirs = weights(run), weights(tmp_path / "whole" / "copy-ntm" / "a")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_killed_before_the_first_checkpoint(tmp_path, unbroken):
    process = start(tmp_path, "early")
    run = tmp_path / "copy-ntm" / "early"
    deadline = time.time() + 60
    while not (run / "config.yaml").is_file() and time.time() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    for leftover in (run / "checkpoints").iterdir():  # it may have got further than meant
        leftover.unlink()
    resumed = command("resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
    check_same(run, unbroken)
