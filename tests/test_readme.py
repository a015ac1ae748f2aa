"""Every command and every line of Python in the README runs."""

import re
import shlex
import subprocess
import sys

import pytest
import yaml
from PIL import Image

from memnets.cli import main
from memnets.cli.parser import COMMANDS
from running import ROOT, TINY, TINY_TASK, environment, fit

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[str]:
    lines = "\n".join(blocks(README, "bash")).splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.startswith("memnets ")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("runs"), "--trainer.max_steps", "2")


@pytest.fixture(scope="module")
def image_runs(tmp_path_factory):
    """A reader's and a captioner's, by command."""
    runs, made = tmp_path_factory.mktemp("runs"), {}
    for name, command in (("ocr-digits", "read"), ("caption-scenes", "describe")):
        few = ["--trainer.max_steps", "1", "--training.batch_size", "2", "--training.evaluation_sequences", "1"]
        where = ["--task.evaluation_lengths", "[2]", "--wandb.mode", "disabled", "--runs", str(runs), "--run_id", "a"]
        assert main(["fit", name, *few, *where]) == 0
        made[command] = runs / name / "a"
    return made


@pytest.mark.parametrize("line", commands())
def test_command(line, run, tmp_path, monkeypatch, capsys, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    words = shlex.split(line)[1:]
    if words[0] == "--print-completion":
        return  # tests/cli/test_user_faults.py
    if words[0] in ("read", "describe"):
        run = request.getfixturevalue("image_runs")[words[0]]
        for name in (word for word in words if word.endswith((".png", ".jpg"))):
            Image.new("L", (60, 16)).save(tmp_path / name)
    words = [str(run) if word.startswith("runs/") else word for word in words]
    if words[0] == "fit":
        if words[1].endswith(".yaml"):
            (tmp_path / words[1]).write_text((ROOT / "configs" / "algorithmic" / "copy-ntm.yaml").read_text())
        small = TINY
        if "lstm" in words[1]:
            small = [*TINY_TASK, "--model.hidden_size", "4", "--training.evaluation_sequences", "2"]
        words = [*words[:2], *small, *words[2:], "--trainer.max_steps", "2"]
    if words[0] == "report":
        assert main(["sweep", "copy-ntm", "--name", words[1].split("/")[-1], "--engine", "commands"]) == 0
    if words[0] == "sweep":
        words += ["--engine", "commands"]  # trained in tests/test_sweep.py
    if words[0] == "compare":
        words = [word.replace("NTM,", "").replace("Copy,", "") for word in words]
        words += ["--steps", "2", "--seeds", "1", "--sequences", "4"]
    if words[0] == "atlas":
        pytest.skip("drawn in tests/experiments/test_atlas.py")
    words = ["3" if word == "8000" else word for word in words]  # steps
    expected = 1 if words[0] == "resume" and len(words) == 2 else 0  # that run has ended, an error of one line
    assert main(words) == expected, capsys.readouterr().err
    if expected:
        assert "has ended" in capsys.readouterr().err


def test_there_are_commands_to_test():
    tested = {word for line in commands() if not (word := shlex.split(line)[1]).startswith("-")}
    assert tested >= {"list", "fit", "resume", "lengths", "show", "doctor"}
    assert tested <= set(COMMANDS)


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in (README, CONTRIBUTING):
        for line in "\n".join(blocks(text, "bash")).splitlines():
            if line.startswith("make "):
                assert line.split("  #")[0].split()[1] in targets, line


def test_python(tmp_path):
    """The examples run as one program, with fewer steps."""
    code = blocks(README, "python")
    assert "from memnets import NTM" in code[0]
    assert len([line for line in code[0].splitlines() if line.strip()]) <= 14
    first = code[0].replace("range(1000)", "range(40)")
    assert first != code[0]
    others = "\n".join(code[1:])
    done = subprocess.run(
        [sys.executable, "-c", f"{first}\nassert loss.isfinite()\n{others}"],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_yaml():
    for block in blocks(README, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)


def test_links_point_to_files():
    for text, folder in ((README, ROOT), (CONTRIBUTING, ROOT)):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not target.startswith("http"):
                assert (folder / target).exists(), target
