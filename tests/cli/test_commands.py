"""The commands, as a user runs them."""

import csv
import fcntl
import json
import os
import pty
import resource
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import yaml
from PIL import Image

from memnets.cli import main
from memnets.training.learner import SequenceLearner
from memnets.training.lengths import evaluate_lengths
from running import ROOT, TINY, TINY_TASK, command, environment, fit, result

PAPER_TASKS = ("copy", "repeat-copy", "associative-recall", "ngrams", "priority-sort")


def test_list_names_every_experiment_without_torch_and_at_once():
    script = "import sys; from memnets.cli import main; main(['list']); sys.exit('torch' in sys.modules)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment())
    took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert done.returncode == 0, "memnets list imported torch"
    lines = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert set(lines) >= {f"{task}-{kind}" for task in PAPER_TASKS for kind in ("ntm", "ntm-ff", "lstm")}
    assert set(lines) >= {f"ocr-{kind}{how}" for kind in ("digits", "words") for how in ("", "-content", "-ctc")}
    assert set(lines) >= {"caption-scenes", "caption-scenes-ntm"}
    assert all(text.strip() for text in lines.values())
    assert took < 0.3  # of the processor, whatever else it does


def test_help_and_version(capsys):
    for arguments, expected in ((["--help"], "a grid of experiments"), (["--version"], "memnets 0.1.0")):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert expected in capsys.readouterr().out


def test_fit_help_shows_every_key():
    done = command("fit", "copy-ntm", "--help")
    assert done.returncode == 0
    for key in ("--model", "--task", "--training.batch_size", "--wandb.mode", "--trainer.max_steps", "--curriculum"):
        assert key in done.stdout
    for key in ("--model.slots  128", "--task.bits  8", "--optimizer.lr  0.0005", "--model.backend", "--loggers"):
        assert key in done.stdout  # those of the classes that the experiment names, with their values in it


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    steps = ("--trainer.max_steps", "30", "--trainer.val_check_interval", "10", "--training.pictures_every", "2")
    return fit(tmp_path_factory.mktemp("runs"), *steps, "--seed", "3", drawn=True)


def test_run_directory_holds_everything(run):
    assert {"config.yaml", "metrics.csv", "checkpoints", "figures", "result.json"} <= {p.name for p in run.iterdir()}
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    names = {p.stem for p in (run / "figures").iterdir()}
    expected = {
        "sequence",
        "memory-at-work",
        "weightings",
        "memory",
        "gates",
        "vectors",
        "lengths",
        "training",
        "step-000020",
    }
    assert names == expected
    for path in (run / "figures").iterdir():
        with Image.open(path) as image:
            assert image.width > 300
            assert image.height > 200


def test_result_has_every_field_of_the_contract(run):
    got = result(run)
    fields = (
        "experiment seed solved sequences_to_solve seconds_to_solve steps sequences seconds parameters backend device "
        "metrics lengths failures"
    )
    assert set(got) == set(fields.split())
    assert (got["experiment"], got["seed"], got["steps"], got["sequences"]) == ("copy-ntm", 3, 30, 120)
    assert got["solved"] is False
    assert got["sequences_to_solve"] is None
    assert set(got["lengths"]) == {"3", "6"}
    assert set(got["lengths"]["6"]) == {"bit_errors", "sequence_accuracy"}
    assert 0 < got["lengths"]["6"]["bit_errors"] <= 18
    failures = got["failures"]
    assert (failures["sequences"], failures["threshold"]) == (20 * 5, 0.1)
    assert failures["rate"] == failures["failing"] / 100
    assert failures["failing"] > 50  # it has learnt nothing yet


def test_metrics_have_each_number_once_a_step(run):
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [10, 20, 30]
    assert [float(row["sequences"]) for row in rows] == [40, 80, 120]
    for row in rows:
        for name in ("train/loss", "train/bit_errors", "train/grad_norm", "val/bit_errors", "val/sequence_accuracy"):
            assert float(row[name]) >= 0
        assert float(row["train/steps_per_second"]) > 0


def test_config_is_resolved_and_gives_the_same_run_again(run, tmp_path, capsys):
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["init_args"]["slots"] == 9
    assert config["model"]["init_args"]["shift_range"] == 1  # a default that the experiment leaves alone
    assert config["trainer"]["gradient_clip_val"] == 0.3
    assert main(["fit", str(run / "config.yaml"), "--runs", str(tmp_path), "--run_id", "again"]) == 0
    assert "--training.anneal_below" in capsys.readouterr().out  # too short a run for the rate to fall
    again = tmp_path / "copy-ntm" / "again"
    assert result(again)["lengths"] == result(run)["lengths"]
    assert result(again)["metrics"] == result(run)["metrics"]


def test_what_was_left_out_and_went_back_is_counted_in_plain_json(tmp_path, monkeypatch, capsys):
    """A NaN at the last step is no number that JSON has. Annealed in vain, a run says no more of its rate."""

    def overflow(learner):
        if learner.trainer.global_step in (3, 19):
            learner.model.output.weight.grad.fill_(float("nan"))

    monkeypatch.setattr(SequenceLearner, "on_after_backward", overflow)
    steps = ["--trainer.max_steps", "20", "--trainer.val_check_interval", "10", "--trainer.log_every_n_steps", "4"]
    annealed = [f"--training.anneal_{name}={value}" for name, value in (("below", 100), ("checks", 1), ("steps", 10))]
    run = fit(tmp_path, *steps, *annealed, "--training.skip_nonfinite", "1", "--training.collapse_rise", "9")
    said = capsys.readouterr().out
    assert "not solved" in said
    assert "anneal_below" not in said

    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    found = json.loads((run / "result.json").read_text(), parse_constant=refuse)
    assert (found["skipped_steps"], found["collapses"]) == (2, 0)
    assert found["metrics"]["train/grad_norm"] is None
    assert found["metrics"]["train/skipped"] == 2
    with (run / "metrics.csv").open() as file:
        skipped = {int(row["step"]): row["train/skipped"] for row in csv.DictReader(file) if row["train/skipped"]}
    assert skipped == {4: "1.0", 8: "1.0", 12: "1.0", 16: "1.0", 20: "2.0"}


def test_run_id_is_never_overwritten(run):
    before = (run / "result.json").read_text()
    fit(run.parent.parent, "--trainer.max_steps", "1")
    assert (run / "result.json").read_text() == before
    assert (run.parent / "run-2" / "result.json").is_file()


def test_lengths(run, capsys, monkeypatch):
    tested = []

    def spy(model, *args, **options):
        tested.append(model.cell.memory.slots)
        return evaluate_lengths(model, *args, **options)

    monkeypatch.setattr("memnets.training.lengths.evaluate_lengths", spy)
    assert main(["lengths", str(run), "--lengths", "2,5", "--sequences", "7", "--slots", "20"]) == 0
    printed = capsys.readouterr().out
    assert "7 sequences each; trained on 1-4" in printed
    rows = [line.split("│")[1:4] for line in printed.splitlines() if line.startswith("│")]
    assert [int(row[0]) for row in rows] == [2, 5]
    assert (run / "figures" / "lengths-slots20.png").is_file()
    assert tested == [20]


def test_lengths_repeats_what_the_run_ended_with(run, capsys):
    assert main(["lengths", str(run), "--sequences", "5"]) == 0
    printed = capsys.readouterr().out
    for length, row in result(run)["lengths"].items():
        line = next(line for line in printed.splitlines() if line.startswith("│") and f" {length} " in line)
        assert f"{row['bit_errors']:.2f}" in line


def test_show(run, capsys):
    assert main(["show", str(run), "--length", "7", "--format", "svg"]) == 0
    printed = capsys.readouterr().out
    assert "write weights" in printed
    assert str(run / "figures" / "gates.svg") in printed
    assert (run / "figures" / "gates.svg").read_text().startswith("<?xml")


def test_doctor(capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(["doctor"]) == 0
    lines = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert {"python", "torch", "lightning", "threads", "devices", "C compiler", "backend reference", "W&B"} <= set(
        lines
    )
    assert "mode disabled" in lines["W&B"]
    assert "chosen" in lines["backend reference"] or "available" in lines["backend reference"]
    assert "available" in lines["fused on CUDA"] or "torch sees no CUDA device" in lines["fused on CUDA"]


def test_a_class_of_ones_own_in_the_current_directory(tmp_path):
    """As the README promises: nothing to register, no PYTHONPATH."""
    (tmp_path / "mine.py").write_text(
        "import memnets\nclass Net(memnets.GRU):\n"
        "    def __init__(self, input_size: int, output_size: int, units: int = 4):\n"
        "        super().__init__(input_size, units, output_size=output_size)\n"
    )
    memnets = Path(sys.executable).parent / "memnets"
    settings = [*TINY_TASK, "--model", "mine.Net", "--model.units", "3", "--trainer.max_steps", "2"]
    few = ["--training.evaluation_sequences", "2", "--wandb.mode", "disabled", "--run_id", "a"]
    done = subprocess.run(
        [memnets, "fit", "copy-ntm", *settings, *few], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "runs" / "copy-ntm" / "a")["parameters"] == 3 * 3 * (4 + 3 + 2) + 3 * 3 + 3


def test_growing_lengths_in_half_precision_with_summed_gradients(tmp_path):
    growing = ["--curriculum", "memnets_tasks.Growing", "--curriculum.start", "1", "--curriculum.steps", "5"]
    precision = ["--trainer.precision", "bf16-true", "--trainer.accumulate_grad_batches", "2"]
    run = fit(tmp_path, *growing, *precision, "--trainer.max_steps", "4", "--trainer.val_check_interval", "2")
    assert result(run)["steps"] == 4
    assert result(run)["sequences"] == 32


def test_user_yaml_and_user_callbacks(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import lightning.pytorch as pl\n"
        "class Note(pl.Callback):\n"
        "    def __init__(self, path: str):\n        self.path = path\n"
        "    def on_train_end(self, trainer, learner):\n        open(self.path, 'w').write(str(trainer.global_step))\n"
    )
    text = (ROOT / "configs" / "algorithmic" / "copy-ntm.yaml").read_text()
    note = f"  callbacks:\n    - class_path: mine.Note\n      init_args: {{path: {tmp_path / 'note'}}}\n"
    (tmp_path / "my.yaml").write_text(text.rstrip() + "\n" + note)
    monkeypatch.syspath_prepend(tmp_path)
    run = fit(tmp_path / "runs", "--trainer.max_steps", "3", experiment=str(tmp_path / "my.yaml"))
    assert run.parent.name == "my"
    assert (tmp_path / "note").read_text() == "3"


def test_stops_by_itself_when_solved(tmp_path, capsys):
    easy = ["--training.threshold", "100", "--training.checks", "2", "--training.anneal_steps", "7"]
    easy += ["--training.anneal_checks", "2", "--training.failure_bound", "0.5"]
    run = fit(tmp_path, *easy, "--trainer.val_check_interval", "5", "--trainer.max_steps", "1000")
    got = result(run)
    assert got["solved"] is True
    assert got["sequences_to_solve"] == 20  # the first of the two checks, 5 steps of 4 sequences
    assert got["steps"] == 17  # solved at the second check, step 10, and 7 annealed steps
    said = capsys.readouterr().out
    assert "solved after 20 sequences" in said
    assert "anneal_below" not in said


def test_progress_is_a_live_bar_on_a_terminal(tmp_path):
    arguments = ["fit", "copy-ntm", *TINY, "--trainer.max_steps", "60", "--wandb.mode", "disabled"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(environment(TERM="xterm"))
        os.execv(sys.executable, [sys.executable, "-m", "memnets", *arguments, "--runs", str(tmp_path)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert os.waitpid(pid, 0)[1] == 0
    assert b"Training" in shown
    assert b"/60" in shown


def test_lengths_of_several_runs(run, tmp_path, capsys):
    other = fit(tmp_path, "--trainer.max_steps", "2", "--seed", "1")
    capsys.readouterr()
    assert main(["lengths", str(run), str(other), "--lengths", "2,5", "--slots", "12", "--sequences", "7"]) == 0
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert head == "| run | bit errors at 2 | bit errors at 5 |"
    assert rule == "|---|---|---|"
    assert [row.split(" | ")[0] for row in rows] == [f"| {run}", f"| {other}"]
    assert all(0 <= float(cell) <= 15 for row in rows for cell in row.strip("| ").split(" | ")[1:])
    assert main(["lengths", str(run), str(other), "--lengths", "5", "--failures", "--sequences", "40"]) == 0
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert head == "| run | failing at 5 |"
    assert all(30 <= int(row.split(" | ")[1].strip("| ")) <= 40 for row in rows)  # untrained: few are right by chance


def test_lengths_with_more_repeats(run, tmp_path, capsys, monkeypatch):
    small = ["--task.max_repeats", "2", "--trainer.max_steps", "2"]
    repeats = fit(tmp_path, *small, experiment="repeat-copy-ntm")
    asked = []

    def spy(model, *args, **options):
        asked.append(options.get("repeats"))
        return evaluate_lengths(model, *args, **options)

    monkeypatch.setattr("memnets.training.lengths.evaluate_lengths", spy)
    assert main(["lengths", str(repeats), "--lengths", "2", "--repeats", "5", "--sequences", "4"]) == 0
    assert asked == [5]
    assert (repeats / "figures" / "lengths-repeats5.png").is_file()
    assert main(["lengths", str(run), "--repeats", "5"]) == 2
    assert "--repeats needs a task that repeats, but Copy does not" in capsys.readouterr().err
