"""Every mistake at the command line is one line that names it and the way out, and leaves nothing behind."""

import errno
import shutil
import sys

import pytest
import torch

from memnets.cli import main
from running import command, fit

EARLY = ["--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping", "--trainer.callbacks.monitor", "loss"]
MISTAKES = {
    "no such command": (["fot"], 2, "unknown command 'fot'; did you mean fit?"),
    "no experiment": (["fit"], 2, "name an experiment"),
    "unknown experiment": (["fit", "copy-nmt"], 2, "unknown experiment 'copy-nmt'; did you mean copy-ntm or"),
    "no such file": (["fit", "mine.yaml"], 2, "there is no file mine.yaml"),
    "misspelt model key": (
        ["fit", "copy-ntm", "--model.hiden_size", "3"],
        2,
        "unknown setting 'model.hiden_size'; did you mean model.hidden_size",
    ),
    "misspelt task key": (
        ["fit", "copy-ntm", "--task.bit", "3"],
        2,
        "unknown setting 'task.bit'; did you mean task.bits",
    ),
    "misspelt optimizer key": (["fit", "copy-ntm", "--optimizer.lrr", "3"], 2, "did you mean optimizer.lr"),
    "abbreviated key": (["fit", "copy-ntm", "--trainer.max_step", "3"], 2, "did you mean trainer.max_steps"),
    "unknown key": (["fit", "copy-ntm", "--bogus", "3"], 2, "unknown setting 'bogus'"),
    "wrong type": (
        ["fit", "copy-ntm", "--model.hidden_size", "abc"],
        2,
        "--model.hidden_size: expected an int. Got value: abc",
    ),
    "wrong type in trainer": (
        ["fit", "copy-ntm", "--trainer.max_steps", "x"],
        2,
        "--trainer.max_steps: expected an int",
    ),
    "no value": (["fit", "copy-ntm", "--task.bits", "--model.slots", "3"], 2, "--task.bits has no value behind it"),
    "no dashes": (["fit", "copy-ntm", "seed=3"], 2, "'seed=3' belongs to no key"),
    "no such class": (["fit", "copy-ntm", "--model", "memnets.NTN"], 2, "has no attribute 'NTN'"),
    "no such controller": (
        ["fit", "copy-ntm", "--model.controller", "lstn"],
        2,
        "controller is 'lstn', but must be one of",
    ),
    "no such backend": (
        ["fit", "copy-ntm", "--model.backend", "fast"],
        2,
        "backend is 'fast', but must be one of auto",
    ),
    "batch of zero": (["fit", "copy-ntm", "--training.batch_size", "0"], 2, "batch_size is 0, but must be at least 1"),
    "no slots": (["fit", "copy-ntm", "--model.slots", "0"], 2, "slots is 0, but must be at least 1"),
    "no learning rate": (["fit", "copy-ntm", "--optimizer.lr", "-1"], 2, "Invalid learning rate: -1"),
    "optimizer of the wrong type": (
        ["fit", "copy-ntm", "--optimizer.lr", "abc"],
        2,
        "--optimizer.lr: expected a float. Got value: abc",
    ),
    "neither of two types": (
        ["fit", "copy-ntm", "--trainer.gradient_clip_val", "abc"],
        2,
        "--trainer.gradient_clip_val: expected an int or a float. Got value: abc",
    ),
    "no class": (
        ["fit", "copy-ntm", "--model", "NTN"],
        2,
        "--model: expected a class as package.module.Class, not NTN",
    ),
    "not of the scheduler": (
        ["fit", "copy-ntm", "--lr_scheduler", "torch.nn.Linear"],
        2,
        "torch.nn.Linear is no torch.optim",
    ),
    "settings of a logger": (["fit", "copy-ntm", "--loggers.name", "3"], 2, "write --loggers+='{class_path:"),
    "system calls": (["fit", "copy-ntm", "--optimizer.lr", "os.system"], 2, "os.system is not looked up"),
    "wrong type in a callback": (
        ["fit", "copy-ntm", *EARLY, "--trainer.callbacks.patience", "abc"],
        2,
        "--trainer.callbacks.patience: expected an int. Got value: abc",
    ),
    "unknown key in a callback": (
        ["fit", "copy-ntm", *EARLY, "--trainer.callbacks.patient", "3"],
        2,
        "unknown setting 'trainer.callbacks.patient'; did you mean trainer.callbacks.patience",
    ),
    "a callback that is none": (
        ["fit", "copy-ntm", "--trainer.callbacks", "[5]"],
        2,
        "--trainer.callbacks: Not a valid subclass of Callback. Got value: 5\n",
    ),
    "no steps between validations": (
        ["fit", "copy-ntm", "--trainer.val_check_interval", "0"],
        2,
        "val_check_interval is 0, but must be a whole number of batches, at least 1",
    ),
    "validations amid a sum of gradients": (
        ["fit", "copy-ntm", "--trainer.val_check_interval", "3", "--trainer.accumulate_grad_batches", "2"],
        2,
        "val_check_interval is 3, but must be a whole number of batches, at least 1 and a multiple of",
    ),
    "batch not first": (["fit", "copy-ntm", "--model.batch_first", "false"], 2, "the model has batch_first=False"),
    "not a model of the contract": (
        ["fit", "copy-ntm", "--model", "torch.nn.Identity"],
        2,
        "Identity does not work as model(inputs (B, T, 9), lengths=(B,)) -> (logits (B, T, 8), state)",
    ),
    "sizes that the task says": (["fit", "copy-ntm", "--model.output_size", "4"], 2, "cannot be set: the task says it"),
    "a run id that is a path": (
        ["fit", "copy-ntm", "--run_id", "../x"],
        1,
        "--run_id is '../x', but must be",
    ),
    "several devices, and not how": (
        ["fit", "copy-ntm", "--trainer.accelerator", "cpu", "--trainer.devices", "2"],
        2,
        "2 devices were asked for: add --trainer.strategy ddp to train one run on all of them, or take one",
    ),
    "several devices in a way that cannot be saved": (
        [
            "fit",
            "copy-ntm",
            "--trainer.accelerator",
            "cpu",
            "--trainer.devices",
            "2",
            "--trainer.strategy",
            "ddp_spawn",
        ],
        2,
        "--trainer.strategy is 'ddp_spawn', but several devices need ddp",
    ),
    "no checks": (["fit", "copy-ntm", "--training.checks", "0"], 2, "checks is 0, but must be at least 1"),
    "no threshold": (["fit", "copy-ntm", "--training.threshold", "0"], 2, "threshold is 0.0, but must be above 0"),
    "replay of nothing": (
        ["fit", "copy-lstm", "--training.failure_replay", "0.2"],
        2,
        "--training.failure_replay is 0.2, but nothing is counted to be replayed: give --training.failure_bound too",
    ),
    "a focus that never counts": (
        ["fit", "copy-lstm", "--training.focus", "0.01"],
        2,
        "--training.focus is 0.01, but counts while a rate is annealed, as none is here: give --training.anneal_steps",
    ),
    "a rise of nothing": (
        ["fit", "copy-ntm", "--training.collapse_rise", "0"],
        2,
        "collapse_rise is 0.0, but must be above 0 and finite; null never goes back",
    ),
    "steps left out below none": (
        ["fit", "copy-ntm", "--training.skip_nonfinite", "-1"],
        2,
        "skip_nonfinite is -1, but must be at least 0",
    ),
    "negative seed": (["fit", "copy-ntm", "--seed", "-1"], 2, "--seed is -1, but must be at least 0"),
    "nothing to evaluate": (
        ["fit", "copy-ntm", "--training.evaluation_sequences", "0"],
        2,
        "evaluation_sequences is 0, but must be at least 1",
    ),
    "no such W&B mode": (
        ["fit", "copy-ntm", "--wandb.mode", "onlin"],
        1,
        "--wandb.mode is 'onlin', but must be one of",
    ),
    "not a directory": (["lengths", "nowhere"], 1, "nowhere is not a directory"),
    "no run directory": (["show", "."], 1, "is not a run directory: it holds no config.yaml"),
    "lengths not numbers": (["lengths", ".", "--lengths", "3,x"], 2, "'3,x' is not a list of whole numbers"),
    "length of zero": (["lengths", ".", "--lengths", "3,0"], 2, "0 must be at least 1"),
    "lengths in no way of reading": (["lengths", ".", "--decode", "both"], 2, "invalid choice: 'both'"),
    "no run to read with": (["describe", "a.png"], 2, "describe: the following arguments are required: --run"),
    "no image": (["describe", "--run", "."], 2, "describe: there is nothing to do: give images, a folder"),
    "no such way of reading": (["read", "a.png", "--run", ".", "--decode", "beam"], 2, "invalid choice: 'beam'"),
    "a beam of none": (["read", "a.png", "--run", ".", "--beam", "0"], 2, "argument --beam: 0 must be at least 1"),
    "a way of describing": (["describe", "a.png", "--run", ".", "--decode", "ctc"], 2, "unrecognized arguments"),
    "reading without a run directory": (["read", "a.png", "--run", "nowhere"], 1, "nowhere is not a directory"),
    "no memories to compare": (["compare", "--memories", ","], 2, "argument --memories: ',' names none"),
    "unknown option": (["show", ".", "--lenght", "3"], 2, "unrecognized arguments: --lenght 3"),
    "options of list": (["list", "--all"], 2, "unrecognized arguments: --all"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line_and_leaves_nothing(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    arguments, status, message = MISTAKES[name]
    assert main(arguments) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("memnets: error: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["--task.height", "5"], "height is 5; give a whole number of at least 10"),
        (
            ["--task.order", "up"],
            "--task.order is 'up', but must be one of 'forward', 'backward', 'twice'",
        ),
        (
            ["--task", "memnets_tasks.TextLineFiles", "--task.path", "gt.txt"],
            "path is 'gt.txt', which is not there; give the file or folder of the data set",
        ),
    ],
)
def test_what_a_task_refuses_is_all_that_is_said(settings, message, tmp_path, monkeypatch, capsys):
    """And not each protocol that it might have been instead."""
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "ocr-digits", *settings]) == 2
    assert capsys.readouterr().err == f"memnets: error: fit: {message}\n"


OWN = """
import memnets_tasks

class Unhinted(memnets_tasks.Task):
    def sample(self, batch_size, length, generator): ...
    def loss(self, outputs, batch): ...

class Foreign:
    def __init__(self):
        raise SystemExit("made before it was known to be a task")

class Cap:
    def max_length(self, step):
        return 3
"""


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        (["--task", "own.Foreign"], "own.Foreign is no memnets_tasks.Task"),
        (["--task", "own.Unhinted"], "own.Unhinted lacks errors and scores"),
        (["--curriculum", "own.Cap"], "own.Cap is no memnets_tasks.Curriculum"),
        (["--model", "own.Foreign"], "own.Foreign is no torch.nn.Module"),
    ],
)
def test_a_class_of_ones_own_that_does_not_fit_is_told_what_it_needs(settings, needs, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    done = command("fit", "copy-ntm", *settings, PYTHONPATH=":".join([str(tmp_path), *filter(None, sys.path)]))
    assert done.returncode == 2
    assert done.stderr.startswith(f"memnets: error: fit: {settings[0]}: {needs}: ")
    assert done.stderr.count("\n") == 1


def test_of_a_setting_that_may_be_null_the_reason_alone_is_said(capsys):
    arguments = ["--curriculum", "memnets_tasks.Growing", "--curriculum.steps", "9"]
    assert main(["fit", "copy-ntm", *arguments]) == 2
    error = capsys.readouterr().err
    assert "memnets_tasks.Growing cannot be made without --curriculum.start" in error
    assert "NoneType" not in error
    assert main(["fit", "copy-ntm", "--training.min_slots", "x"]) == 2
    assert capsys.readouterr().err == "memnets: error: fit: --training.min_slots: expected an int. Got value: x\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_missing_accelerator_leaves_no_run_directory(tmp_path, capsys):
    assert main(["fit", "copy-ntm", "--trainer.accelerator", "gpu", "--runs", str(tmp_path / "runs")]) == 2
    assert "gpu" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_online_without_a_key_is_refused_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    runs = tmp_path / "runs"
    assert main(["fit", "copy-ntm", "--wandb.mode", "online", "--runs", str(runs)]) == 1
    assert "no W&B key was found: run `wandb login`, set WANDB_API_KEY" in capsys.readouterr().err
    assert not runs.exists()


def test_runs_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["fit", "copy-ntm", "--runs", str(tmp_path / "file"), "--wandb.mode", "disabled"]) == 1
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("a/b is no folder"), "a/b is no folder"),
        (OSError(errno.EIO, "Input/output error", "a/b"), "a/b: Input/output error"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a/b"), "a/b: File name too long: give a shorter name"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", b"a/b"), "a/b: No such file or directory"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "a/b: Permission denied: give a folder that can"),
    ],
)
def test_whatever_the_operating_system_refuses_is_one_line(error, line, monkeypatch, capsys):
    def refuse(*_):
        raise error

    monkeypatch.setattr("memnets.cli.doctor.run", refuse)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"memnets: error: {line}")
    assert said.count("\n") == 1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("runs"), "--trainer.max_steps", "2", "--trainer.val_check_interval", "2")


def test_checkpoint_of_another_shape(run, tmp_path, capsys):
    other = tmp_path / "other"
    (other / "checkpoints").mkdir(parents=True)
    (other / "config.yaml").write_text((run / "config.yaml").read_text().replace("hidden_size: 12", "hidden_size: 13"))
    (other / "checkpoints/last.ckpt").write_bytes((run / "checkpoints/last.ckpt").read_bytes())
    assert main(["lengths", str(other)]) == 1
    error = capsys.readouterr().err
    assert "does not fit the model" in error
    assert "is (48,) in the checkpoint, (52,) in the model" in error


def test_checkpoint_that_is_none(run, tmp_path, capsys):
    other = tmp_path / "other"
    (other / "checkpoints").mkdir(parents=True)
    (other / "config.yaml").write_text((run / "config.yaml").read_text())
    assert main(["lengths", str(other)]) == 1
    assert "stopped before the first was saved" in capsys.readouterr().err
    (other / "checkpoints/last.ckpt").write_bytes(b"not a checkpoint")
    assert main(["lengths", str(other)]) == 1
    assert "cannot be read as a checkpoint" in capsys.readouterr().err


def test_checkpoint_with_code_is_not_executed(run, tmp_path, capsys):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("exploded").write_text, ("boom",))

    other = tmp_path / "other"
    (other / "checkpoints").mkdir(parents=True)
    (other / "config.yaml").write_text((run / "config.yaml").read_text())
    torch.save({"state_dict": Bomb()}, other / "checkpoints/last.ckpt")
    assert main(["lengths", str(other)]) == 1
    assert "cannot be read as a checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "exploded").exists()


def test_damaged_files_are_named(run, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    (other / "metrics.csv").write_text("nothing\n1\n")
    assert main(["show", str(other)]) == 1
    assert "metrics.csv is damaged" in capsys.readouterr().err
    (other / "metrics.csv").write_text("")
    (other / "result.json").write_text("{")
    assert main(["show", str(other)]) == 1
    assert "result.json cannot be read" in capsys.readouterr().err
    (other / "config.yaml").write_text("")
    assert main(["show", str(other)]) == 1
    assert "config.yaml is empty" in capsys.readouterr().err
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert main(["fit", str(tmp_path / "binary.yaml")]) == 2
    assert "is not a text file" in capsys.readouterr().err


def test_resuming_a_run_that_has_ended(run, capsys):
    assert main(["resume", str(run)]) == 1
    assert "has ended (it holds result.json)" in capsys.readouterr().err


def test_a_folder_of_runs_is_not_a_run(run, capsys):
    assert main(["lengths", str(run.parent)]) == 1
    assert f"did you mean {run}?" in capsys.readouterr().err


def test_slots_of_a_network_without_memory(tmp_path, capsys):
    arguments = ["--model", "memnets.LSTM", "--model.hidden_size", "4", "--task.max_length", "3"]
    settings = ["--trainer.max_steps", "1", "--task.evaluation_lengths", "[2]", "--wandb.mode", "disabled"]
    assert main(["fit", "copy-ntm", *arguments, *settings, "--runs", str(tmp_path), "--run_id", "a"]) == 0
    assert main(["lengths", str(tmp_path / "copy-ntm/a"), "--slots", "4"]) == 2
    assert "--slots needs a memory, but LSTM has none" in capsys.readouterr().err


def test_processes_of_torchrun_that_the_settings_do_not_use(tmp_path, monkeypatch, capsys):
    """They would each train the whole run, and write over one another."""
    for name, value in {"TORCHELASTIC_RUN_ID": "a", "WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert main(["fit", "copy-ntm", "--trainer.accelerator", "cpu", "--runs", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert "2 processes were started, but the settings make 1: use --trainer.strategy ddp" in error
    assert not (tmp_path / "runs").exists()
