"""Texts and special files of strangers: nothing steers the terminal, no pipe or device is waited for."""

import errno
import io
import os
import shutil
import unicodedata
from pathlib import Path

import pytest
import torch
import yaml

from memnets import viz
from memnets.base import files
from memnets.base.terminal import escaped
from memnets.cli import main
from memnets.experiments.image_answers import writer_for
from memnets.experiments.run_dir import RunDir
from running import QUIET, TINY
from test_regular_files import within_seconds

STEERING = "\x1b]0;owned\x07\x9b31m\r\x7f\u2028"


@pytest.fixture
def run(victim, tmp_path, monkeypatch):
    """A copy of its own, which has not ended."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(victim, tmp_path / "stranger")
    (tmp_path / "stranger" / "result.json").unlink()
    return RunDir(tmp_path / "stranger")


def steers(text):
    return {c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp")} - {"\n", "\t"}


def set_config(run, **settings):
    config = yaml.safe_load(run.config.read_text())
    run.config.write_text(yaml.safe_dump(config | settings))


def test_what_is_escaped_and_what_is_kept():
    assert escaped("a\tb\x1b[2J\u05d0\u200f\ud800") == "a\\tb\\x1b[2J\u05d0\u200f\\ud800"
    assert escaped("a\nb\r", keep="\n") == "a\nb\\r"
    assert escaped("a\u202eb\u2066c\u05d0\u200f") == "a\\u202eb\\u2066c\u05d0\u200f"


def test_errors_that_quote_files_steer_no_terminal(run, capsys):
    checkpoint = run.read_checkpoint()
    checkpoint["memnets"]["settings"]["seed"] = STEERING
    changed = io.BytesIO()
    torch.save(checkpoint, changed)
    quoted = STEERING.encode("unicode_escape").decode()
    for path, data in (
        (run.metrics, f"step,{STEERING}\n1,{STEERING}\n".encode()),
        (run.last, changed.getvalue()),
        (run.config, f"'{STEERING}': 1".encode()),
        (run.config, f'task: {{class_path: "memnets_tasks.Copy{quoted}"}}'.encode()),
    ):
        before = path.read_bytes()
        path.write_bytes(data)
        assert main(["resume", str(run.path)]) in (1, 2)
        said = capsys.readouterr()
        assert not steers(said.out + said.err)
        assert said.err.count("\n") == 1
        path.write_bytes(before)


def test_a_language_model_of_a_stranger_steers_no_terminal(tmp_path, undrawn, capsys):
    hello = ["fit", "chars-hello", *QUIET, "1", "--trainer.max_steps", "1", "--model.network.hidden_size", "4"]
    assert main([*hello, "--runs", str(tmp_path)]) == 0
    run = RunDir(tmp_path / "chars-hello" / "a")
    checkpoint = run.read_checkpoint()
    symbols = checkpoint["state_dict"]["model._extra_state"]
    symbols[: len(STEERING[:4])] = torch.tensor([ord(c) for c in "\x1b\x07\x9b\r"])
    torch.save(checkpoint, run.last)
    capsys.readouterr()
    assert main(["sample", str(run.path), "--temperature", "9", "--length", "80"]) == 0
    written = capsys.readouterr().out
    assert "\\x1b" in written
    assert not steers(written)


def test_names_of_folders_and_runs_steer_no_terminal(run, tmp_path, capsys):
    moved = run.path.rename(tmp_path / f"a{STEERING[:5]}\u202eb")
    assert main(["save", str(moved)]) == 0
    written = capsys.readouterr().out
    assert "\\u202eb/pretrained" in written
    assert not steers(written)
    assert main(["fit", "copy-ntm", *TINY, "--run_id", "\udcff"]) == 1
    assert "--run_id is '\\udcff'" in capsys.readouterr().err


@pytest.mark.parametrize("format", ["text", "json", "json-lines", "csv"])
def test_readings_steer_no_terminal(format, capsys):
    writer = writer_for(format, "text", ["image", "text", "confidence"])
    writer.add({"image": f"{STEERING}.png", "text": STEERING, "confidence": 1.0})
    writer.close()
    written = capsys.readouterr().out
    assert "owned" in written
    assert not steers(written)


@pytest.mark.parametrize(
    "command",
    [
        ("read", "--list"),
        ("compare",),
        ("sweep",),
        ("fit",),
        ("fit", "copy-ntm", "--init_from"),
        ("fit", "chars-hello", "--task.text", "null", "--task.path"),
    ],
)
def test_pipes_and_devices_are_not_waited_for(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "zero.yaml"):
        assert within_seconds(lambda name=name: main([*command, name]), 60) == 2
        said = capsys.readouterr().err
        assert name in said
        assert said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe.yaml", "zero.yaml"]


@pytest.mark.parametrize("name", ["config.yaml", "trial.lock", "checkpoints", "figures", "wandb"])
def test_a_pipe_in_a_run_s_directory_is_named(name, run, capsys):
    path = run.path / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert within_seconds(lambda: main(["resume", str(run.path)]), 60) == 1
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1


def test_a_stranger_s_configuration_does_not_say_where_the_new_run_goes(run, tmp_path, undrawn, capsys):
    again = ["fit", str(run.config), *TINY, "--trainer.max_steps", "1"]
    set_config(run, experiment="../../outside")
    assert main(again) == 1
    assert "--experiment is '../../outside'" in capsys.readouterr().err
    set_config(run, experiment="x", runs=str(tmp_path / "outside"))
    assert main(again) == 0
    assert [path.name for path in (tmp_path / "runs" / "x").iterdir()]
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_directory_that_cannot_be_written_is_named_with_a_remedy(number, run, tmp_path, monkeypatch, capsys):
    """Root may write where others may not, so the system's answer is put in its place."""

    def refuse(path, *_, **__):
        raise OSError(number, os.strerror(number), *([] if number == errno.ENOSPC else [str(path)]))

    remedy = "make room there" if number == errno.ENOSPC else "writ"
    monkeypatch.setattr(viz, "save_figure", lambda figure, path: refuse(path))
    monkeypatch.setattr(files.tempfile, "mkstemp", lambda dir, **_: refuse(dir))
    figures = [["show", str(run.path)], ["lengths", str(run.path), "--lengths", "2", "--sequences", "2"]]
    for command in (*figures, ["save", str(run.path)], ["fit", "copy-ntm", *TINY, "--runs", "new"]):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert os.strerror(number) in said
        assert said.count("\n") == 1
        assert str(run.path) in said or "new" in said or (number == errno.ENOSPC and command in figures)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "write_text", refuse)
    for command in (["resume", str(run.path)], ["fit", "copy-ntm", *TINY, "--runs", "new"]):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert "trial.lock cannot be written" in said
        assert remedy in said
        assert said.count("\n") == 1
    assert not list((tmp_path / "new").glob("*/*"))
