"""What may change in a run: it is lengthened, its rate changed, edited files are honoured or refused; and the best
weights are kept beside the last."""

import csv
import errno
import os
import shutil

import pytest
import torch
import yaml

from memnets.base.errors import UsageError
from memnets.cli import main
from memnets.experiments.changes import Change, check_changes, describe_changes, find_changes
from running import TINY, fit, result

pytestmark = pytest.mark.usefixtures("without_figures")
STEPS = ["--trainer.max_steps", "20", "--trainer.val_check_interval", "10", "--trainer.log_every_n_steps", "5"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("runs"), *STEPS)


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return shutil.copytree(finished, tmp_path / "run")


def checkpoint(run, name="last"):
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)


def test_a_run_that_ended_with_its_steps_is_lengthened_as_if_it_had_had_them_from_the_start(run, tmp_path, capsys):
    assert main(["resume", str(run), "--trainer.max_steps", "40"]) == 0
    assert "changed: trainer.max_steps 20 -> 40" in capsys.readouterr().out
    whole = fit(tmp_path / "whole", "--trainer.max_steps", "40", *STEPS[2:])
    assert result(run)["steps"] == 40
    ours, theirs = checkpoint(run)["state_dict"], checkpoint(whole)["state_dict"]
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["max_steps"] == 40
    assert main(["resume", str(run)]) == 1
    assert "--trainer.max_steps N" in capsys.readouterr().err


def test_a_rate_is_changed_and_so_said(run, capsys):
    assert main(["resume", str(run), "--trainer.max_steps", "21", "--optimizer.lr", "0.125"]) == 0
    said = capsys.readouterr().out
    assert "optimizer.lr 0.0005 -> 0.125" in said
    assert checkpoint(run)["optimizer_states"][0]["param_groups"][0]["lr"] == 0.125
    assert main(["resume", str(run), "--trainer.max_steps", "22"]) == 0
    assert "optimizer.lr" not in capsys.readouterr().out  # it is what the run has by now
    assert checkpoint(run)["optimizer_states"][0]["param_groups"][0]["lr"] == 0.125


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("lr: 0.0005", "lr: 0.25", "optimizer.lr 0.0005 -> 0.25"),
        ("max_steps: 20", "max_steps: 30", "trainer.max_steps 20 -> 30"),
    ],
)
def test_an_edited_file_is_honoured(old, new, what, run, capsys):
    text = (run / "config.yaml").read_text()
    assert old in text
    (run / "config.yaml").write_text(text.replace(old, new).replace("max_steps: 20", "max_steps: 22"))
    assert main(["resume", str(run)]) == 0
    assert what in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("batch_size: 4", "batch_size: 5", "training.batch_size is 5, but the run has been trained with 4"),
        ("torch.optim.RMSprop", "torch.optim.SGD", "optimizer.class_path is 'torch.optim.SGD'"),
        ("seed: 0", "seed: 1", "seed is 1, but the run has been trained with 0"),
        ("alpha: 0.95", "alpha: 0.5", "optimizer.alpha is 0.5"),
        ("accumulate_grad_batches: 1", "accumulate_grad_batches: 2", "trainer.accumulate_grad_batches is 2"),
        ("slots: 9", "slots: 8", "model.slots is 8, but the run has been trained with 9"),
    ],
)
def test_an_edited_file_that_would_make_another_run_of_it_is_refused(old, new, what, run, capsys):
    text = (run / "config.yaml").read_text()
    assert old in text
    edited = text.replace(old, new)
    if "SGD" in new:  # which takes other settings
        config = yaml.safe_load(edited)
        config["optimizer"]["init_args"] = {"lr": 0.1}
        edited = yaml.safe_dump(config)
    (run / "config.yaml").write_text(edited)
    before = checkpoint(run)["global_step"]
    assert main(["resume", str(run), "--trainer.max_steps", "30"]) == 2
    error = capsys.readouterr().err
    assert what in error
    assert error.count("\n") == 1
    assert checkpoint(run)["global_step"] == before
    assert (run / "result.json").is_file()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ("--lr_scheduler=torch.optim.lr_scheduler.ConstantLR", "lr_scheduler is 'torch.optim.lr_scheduler.ConstantLR'"),
        ("--trainer.max_steps=19", "the run has 20 steps behind it"),
        ("--runs=other", "--runs cannot change within a run"),
        ("--experiment=other", "--experiment cannot change within a run"),
    ],
)
def test_what_cannot_change_is_one_line_and_changes_nothing(settings, what, run, capsys):
    text = (run / "config.yaml").read_text()
    assert main(["resume", str(run), settings]) == 2
    error = capsys.readouterr().err
    assert what in error
    assert error.count("\n") == 1
    assert (run / "config.yaml").read_text() == text


def test_device_precision_and_callbacks_may_change(run, capsys):
    settings = ["--trainer.accelerator", "cpu", "--trainer.precision", "64-true"]
    settings += ["--trainer.callbacks+=lightning.pytorch.callbacks.LearningRateMonitor"]
    assert main(["resume", str(run), "--trainer.max_steps", "25", *settings]) == 0
    assert "trainer.precision None -> 64-true" in capsys.readouterr().out
    assert checkpoint(run)["state_dict"]["model.output.weight"].dtype == torch.float64


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_the_run_of_a_gpu_goes_on_without_one(run, capsys):
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("accelerator: auto", "accelerator: gpu"))
    assert main(["lengths", str(run), "--lengths", "3", "--sequences", "2"]) == 0
    for there in ("gpu", "cuda", "mps", "tpu"):
        if there == "mps" and torch.backends.mps.is_available():
            continue
        (run / "config.yaml").write_text(text.replace("accelerator: auto", f"accelerator: {there}"))
        assert main(["resume", str(run), "--trainer.max_steps", "22"]) == 2
        error = capsys.readouterr().err
        assert "--trainer.accelerator cpu" in error
        assert error.count("\n") == 1
    assert main(["resume", str(run), "--trainer.max_steps", "22", "--trainer.accelerator", "cpu"]) == 0


def test_the_best_weights_are_kept_and_used_where_asked(run, capsys):
    with (run / "metrics.csv").open() as file:
        errors = {int(r["step"]): float(r["val/bit_errors"]) for r in csv.DictReader(file) if r["val/bit_errors"]}
    best = checkpoint(run, "best")
    assert best["global_step"] == min(errors, key=lambda step: errors[step])
    assert best["memnets"]["validation_error"] == pytest.approx(min(errors.values()))
    other = {name: value + 100 * name.endswith("output.bias") for name, value in best["state_dict"].items()}
    torch.save({**best, "state_dict": other}, run / "checkpoints" / "best.ckpt")
    tables = {}
    for which in ("last", "best"):
        assert main(["lengths", str(run), "--lengths", "6", "--sequences", "50", "--checkpoint", which]) == 0
        tables[which] = capsys.readouterr().out.split("figure")[0]
    assert tables["last"] != tables["best"]
    assert (run / "figures" / "lengths-best.png").is_file()
    assert main(["show", str(run), "--checkpoint", "best"]) == 0
    (run / "checkpoints" / "best.ckpt").unlink()
    assert main(["show", str(run), "--checkpoint", "best"]) == 1
    assert "holds no best.ckpt" in capsys.readouterr().err


def test_leftovers_of_killed_processes_are_removed_when_a_run_goes_on(run):
    folders = (run, run / "checkpoints", run / "figures")
    names = [
        folder / f".{name}.ab12_xyz.tmp" for folder, name in zip(folders, ("metrics.csv", "last.ckpt", "gates.png"))
    ]
    users = [run / ".hidden", run / ".env.personal", run / "notes.tmp", run / "checkpoints" / ".mine.ckpt"]
    for path in (*names, *users):
        path.write_text("")
    (link := run / ".link.abcdefgh.tmp").symlink_to(run / ".hidden")
    assert main(["resume", str(run), "--trainer.max_steps", "21"]) == 0
    assert not any(path.exists() for path in names)
    assert all(path.exists() for path in users)
    assert link.is_symlink()


def test_two_trainers_of_one_run(run, capsys):
    """Whichever command the other is: fit holds its run as resume does."""
    from memnets.experiments.lock import hold

    with hold(run):
        assert main(["resume", str(run), "--trainer.max_steps", "30"]) == 1
    assert "is being run by process" in capsys.readouterr().err


def test_fit_holds_its_run(tmp_path, monkeypatch):
    import lightning.pytorch as pl

    from memnets.experiments import lock

    seen = []
    monkeypatch.setattr(
        pl.Trainer, "fit", lambda *_, **__: seen.extend(lock.holder(p) for p in (tmp_path / "copy-ntm").iterdir())
    )
    monkeypatch.setattr("memnets.experiments.fit.conclude", lambda *_: None)
    fit(tmp_path, *STEPS)
    assert len(seen) == 1
    assert "is being run by process" in seen[0]


def test_what_differs_and_how_it_is_said():
    before = {"optimizer": {"init_args": {"lr": 1e-3}}, "trainer": {"max_steps": 5}, "run_id": "a", "gone": 1}
    now = {"optimizer": {"init_args": {"lr": 1e-2}}, "trainer": {"max_steps": 5, "new": 1}, "run_id": "b"}
    scheduler = {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 3}}
    for old, new in ((None, scheduler), (scheduler, None)):  # a part that was none, and one that is none now
        with pytest.raises(UsageError, match="StepLR'"):
            check_changes(find_changes({"lr_scheduler": old}, {"lr_scheduler": new}))
    changes = find_changes(before, now)
    assert changes == {"optimizer.init_args.lr": Change(1e-3, 1e-2)}
    assert describe_changes(changes) == "optimizer.lr 0.001 -> 0.01"
    check_changes(changes)
    with pytest.raises(UsageError, match=r"task.bits is 3, but .* with 8, .* or start a new run with `memnets fit`"):
        check_changes({"task.init_args.bits": Change(8, 3)})


def test_a_run_that_is_deleted_while_it_is_trained(tmp_path, monkeypatch, capsys):
    """It ends at the next checkpoint, says so, and leaves nothing in its place."""
    from memnets.training.callbacks import Checkpoints

    saved, place = [], tmp_path / "copy-ntm" / "run"
    whole = Checkpoints._save

    def save_and_delete(self, trainer):
        whole(self, trainer)
        saved.append(trainer.global_step)
        place.rename(tmp_path / "gone")

    monkeypatch.setattr(Checkpoints, "_save", save_and_delete)
    arguments = ["--runs", str(tmp_path), "--run_id", "run", "--wandb.mode", "disabled", "--trainer.max_steps", "9"]
    assert main(["fit", "copy-ntm", *TINY, *arguments, "--trainer.val_check_interval", "2"]) == 1
    assert "was deleted while its run was trained" in capsys.readouterr().err
    assert saved == [2]
    assert not place.exists()


def test_a_full_disk_is_named_with_its_file(tmp_path, monkeypatch, capsys):
    """And leaves no part of it."""
    from memnets.base import files

    def full(handle, mode):
        os.close(handle)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    whole = os.fdopen
    monkeypatch.setattr(
        files.os, "fdopen", lambda handle, mode: full(handle, mode) if len(places()) else whole(handle, mode)
    )

    def places():
        return list((tmp_path / "copy-ntm").glob("run/checkpoints/.best.ckpt.*"))

    arguments = ["--runs", str(tmp_path), "--run_id", "run", "--wandb.mode", "disabled", "--trainer.max_steps", "4"]
    assert main(["fit", "copy-ntm", *TINY, *arguments, "--trainer.val_check_interval", "2"]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'copy-ntm' / 'run' / 'checkpoints' / 'best.ckpt'}: No space left on device: make room" in said
    assert places() == []
