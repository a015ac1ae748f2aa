"""A language model from the command line: trained, resumed to the bit, and made to write."""

import pytest
import torch

from memnets.cli import main
from running import QUIET

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


def test_a_run_of_another_model_writes_nothing(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(
        "task: {class_path: memnets_tasks.Copy}\nmodel: {class_path: memnets.LSTM, init_args: {hidden_size: 4}}\n"
    )
    assert main(["sample", str(tmp_path)]) == 2
    assert "the model is a LSTM, which writes no text" in capsys.readouterr().err


def test_streams_are_read_by_one_process(capsys, tmp_path):
    more = ["--runs", str(tmp_path), "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    assert main([*HELLO, *more, "--trainer.accelerator", "cpu"]) == 2
    assert "Characters is read by one process" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
