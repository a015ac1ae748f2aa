"""A language model from the command line: trained, resumed to the bit, made to write, and looked into."""

import json
import os

import pytest
import torch

from memnets.cli import main
from memnets.text import FEATURES
from running import QUIET, ROOT

HELLO = ["fit", "chars-hello", *QUIET, "10", "--training.checks", "99", "--model.network.hidden_size", "8"]


def weights(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Forty steps on "hello" at once."""
    runs = tmp_path_factory.mktemp("runs")
    assert main([*HELLO, "--runs", str(runs), "--trainer.max_steps", "40"]) == 0
    return runs / "chars-hello" / "a"


def test_a_resumed_run_is_that_of_one_that_never_stopped(run, tmp_path):
    assert main([*HELLO, "--runs", str(tmp_path), "--trainer.max_steps", "20"]) == 0
    stopped = tmp_path / "chars-hello" / "a"
    assert torch.load(stopped / "checkpoints" / "last.ckpt", weights_only=True)["memnets"]["carried"]
    assert main(["resume", str(stopped), "--trainer.max_steps", "40"]) == 0
    for name, tensor in weights(run).items():
        assert torch.equal(weights(stopped)[name], tensor), name


def test_it_writes_what_it_learnt(run, capsys):
    assert main(["sample", str(run), "--prompt", "he", "--temperature", "0", "--length", "3"]) == 0
    assert capsys.readouterr().out == "hello\n"
    texts = []
    for seed in ("1", "1", "2"):
        assert main(["sample", str(run), "--temperature", "9", "--length", "20", "--seed", seed]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", "hex"], "holds 'x' (U+0078"),
        (["--temperature", "-1"], "temperature is -1.0, but must be at least 0"),
        (["--temperature", "nan"], "temperature is nan"),
        (["--seed", "-1"], "--seed is -1"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(run, options, message, capsys):
    assert main(["sample", str(run), *options]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert not said.out
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sample", "the model is a LSTM, which writes no text"),
        ("cells", "the model is a LSTM, whose units are not of characters"),
    ],
)
def test_a_run_of_another_model_is_refused(command, message, capsys):
    assert main([command, str(ROOT / "tests/data/old/runs/copy-lstm/finished")]) == 2
    assert message in capsys.readouterr().err


def test_streams_are_read_by_one_process(capsys, tmp_path):
    more = ["--runs", str(tmp_path), "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    assert main([*HELLO, *more, "--trainer.accelerator", "cpu"]) == 2
    assert "Characters is read by one process" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


CODE = """def read(path, mode="r"):
    # what is there
    if path[0] == "/":
        raise ValueError("no 'absolute' path")
    return [open(path, mode) for path in (path, path + ".bak") if path]
"""


def test_units_are_ranked_and_drawn(run, tmp_path, capsys):
    (tmp_path / "code.py").write_text(CODE * 4)
    assert main(["cells", str(run), str(tmp_path / "code.py"), "--characters", "600"]) == 0
    out = capsys.readouterr().out
    assert "600 characters, 8 units" in out
    for feature in FEATURES:
        assert f"| {feature} | hidden 0:" in out
        assert (run / "figures" / "cells" / f"{feature.replace(' ', '-')}.png").stat().st_size > 5000
    found = json.loads((run / "cells.json").read_text())
    assert found.keys() == set(FEATURES)
    assert 0 <= found["quotes"]["score"] <= 1


def test_a_text_too_short_or_unreadable_has_no_units(run, tmp_path, capsys):
    (tmp_path / "code.py").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    for arguments, message in (
        ([], "the text has 6 characters"),
        ([str(tmp_path / "code.py")], "cannot be read (it is no UTF-8)"),
        ([str(tmp_path / "none.py")], "cannot be read (it is not there"),
        ([str(tmp_path / "pipe")], "cannot be read (it is no regular file"),
        (["/dev/zero"], "cannot be read (it is no regular file"),
    ):
        assert main(["cells", str(run), *arguments]) == 2
        assert message in capsys.readouterr().err


def test_gradients_are_followed_before_and_after_training(run, capsys):
    assert main(["gradients", str(run), str(run), "--length", "12", "--distances", "5,11,99"]) == 0
    out = capsys.readouterr().out
    assert out.count("| chars-hello/a | hidden | before training |") == 1
    flows = json.loads((run / "gradients.json").read_text())["chars-hello/a"]
    assert {when: len(kinds["hidden"]) for when, kinds in flows.items()} == {
        "before training": 11,
        "after training": 11,
    }
    assert flows["before training"] != flows["after training"]
    assert (run / "figures" / "gradients.png").stat().st_size > 5000
    assert main(["gradients", str(run), "--length", "1"]) == 2
    assert "length is 1; give at least 2 characters" in capsys.readouterr().err
