"""Checkpoints, saved folders and numbers of strangers: one line each."""

import os
import shutil
import zipfile

import pytest
import torch

from memnets.base.errors import RunError
from memnets.cli import main
from memnets.experiments.run_dir import RunDir
from memnets.training.loggers import read_metrics


def test_a_damaged_folder_to_start_from_is_one_line(tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes(b"")
    for config in ("[]", "null", "[" * 100_000):
        (tmp_path / "config.json").write_text(config)
        assert main(["fit", "copy-ntm", "--init_from", str(tmp_path), "--runs", str(tmp_path / "runs")]) == 2
        said = capsys.readouterr().err
        assert "is damaged: config.json" in said
        assert said.count("\n") == 1


@pytest.mark.parametrize("what", ["a number for a name", "a text", "sparse", "no numbers", "integers", "complex"])
def test_a_checkpoint_with_other_than_the_model_s_tensors_is_one_line(what, victim, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = RunDir(shutil.copytree(victim, tmp_path / "runs" / "x"))
    checkpoint = run.read_checkpoint()
    name, weight = next(item for item in checkpoint["state_dict"].items() if item[0].startswith("model."))
    wrong = {"a text": "x", "sparse": weight.to_sparse(), "no numbers": weight.to("meta"), "integers": weight.long(),
             "complex": weight.to(torch.complex64), "a number for a name": weight}[what]  # fmt: skip
    checkpoint["state_dict"][5 if what == "a number for a name" else name] = wrong
    torch.save(checkpoint, run.last)
    run.result.unlink()
    for command in (["show"], ["resume"]):
        assert main([*command, str(run.path)]) == 1
        message = capsys.readouterr().err
        assert "last.ckpt" in message
        assert "damaged" in message
        assert message.count("\n") == 1


def test_a_checkpoint_with_another_training_than_was_is_one_line(victim, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    run.result.unlink()
    sound = run.read_checkpoint()
    wrong = {"optimizer_states": [{}], "callbacks": {"Pictures": "x"}, "memnets": 5, "pytorch-lightning_version": "x"}
    without_steps = {name: value for name, value in sound.items() if name != "global_step"}
    for content in (*(sound | {name: value} for name, value in wrong.items()), without_steps):
        torch.save(content, run.last)
        assert main(["resume", str(run.path), "--trainer.max_steps", "3"]) == 1
        message = capsys.readouterr().err
        assert "last.ckpt cannot be" in message
        assert "damaged" in message
        assert "starts from the beginning" in message
        assert message.count("\n") == 1


def test_a_checkpoint_that_unpacks_to_more_than_it_has_is_one_line(victim, tmp_path):
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    with zipfile.ZipFile(run.last) as sound, zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in sound.namelist():
            bomb.writestr(name, sound.read(name))
    (tmp_path / "bomb").replace(run.last)
    with pytest.raises(RunError, match=r"last\.ckpt cannot be read as a checkpoint"):
        run.read_checkpoint()


def test_a_checkpoint_that_no_memory_holds_is_one_line(victim, tmp_path):
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    os.truncate(run.last, 1 << 43)  # of which next to nothing is stored
    with pytest.raises(RunError, match=r"last\.ckpt cannot be read as a checkpoint") as error:
        run.read_checkpoint()
    assert "8192 GiB" in str(error.value.__cause__)


def test_numbers_without_an_end_are_one_line(victim, tmp_path):
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    os.truncate(run.metrics, 1 << 40)
    with pytest.raises(RunError, match=r"metrics\.csv is damaged .* larger than"):
        read_metrics(run.metrics)
