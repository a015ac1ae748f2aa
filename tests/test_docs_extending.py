"""All of docs/extending.md, from a file outside the package, through every command, as a user's own."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

import forked
from running import ROOT, environment

PAGE = (ROOT / "docs" / "extending.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
DEFINITIONS = [block for block in PYTHON if "\nclass " in block]
USES = [block for block in PYTHON if "\nclass " not in block]
YAML = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
QUICK = [
    *("--training.batch_size", "4", "--training.validation_size", "8", "--training.evaluation_sequences", "5"),
    *("--training.pictures_every", "1", "--trainer.val_check_interval", "2", "--wandb.mode", "disabled"),
]
MODELS = {
    "queue": YAML[0]["model"],
    "leaky": {"class_path": "my_lab.Leaky", "init_args": {"hidden_size": 8}},
    "sum": {"class_path": "my_lab.RunningSum", "init_args": {"hidden_size": 8}},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """A folder with my_lab.py and an experiment for each model, with a logger of its own."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "my_lab.py").write_text("\n\n".join(DEFINITIONS))
    for name, model in MODELS.items():
        (folder / f"my-{name}.yaml").write_text(yaml.safe_dump({**YAML[0], "model": model, **YAML[1]}))
    return folder


def memnets(lab: Path, *words: str, drawn: bool = False) -> str:
    done = forked.run(list(words), outside(), lab, drawn=drawn)
    assert done.returncode == 0, done.stderr
    return done.stdout


def outside(**more: str) -> dict[str, str]:
    """The environment of a user's own folder, with the package on the path wherever it is."""
    paths = [str(ROOT), str(ROOT / "tasks"), os.environ.get("PYTHONPATH", "")]
    return environment(PYTHONPATH=os.pathsep.join(paths), **more)


def test_there_is_a_whole_example_of_each(lab):
    for name in (
        "Reverse(BinaryTask)",
        "Queue(Memory)",
        "Leaky(Recurrent)",
        "RunningSum(SequenceModule, RecordedSequence)",
    ):
        assert any(f"class {name}" in block for block in DEFINITIONS), name
    assert any("class JSONLines(Logger)" in block for block in DEFINITIONS)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_ones_own_is_trained_shown_and_evaluated(lab, name):
    run = lab / "runs" / f"my-{name}" / "a"
    said = memnets(lab, "fit", f"my-{name}.yaml", *QUICK, "--trainer.max_steps", "6", "--run_id", "a", drawn=True)
    assert "vectors" in said
    result = json.loads((run / "result.json").read_text())
    assert result["steps"] == 6
    assert list((run / "figures").glob("step-0000*.png")) or list((run / "figures").glob("*.png"))
    logged = [json.loads(line) for line in (lab / "numbers.jsonl").read_text().splitlines()]
    assert any("val/bit_errors" in line for line in logged)
    memnets(lab, "show", str(run), "--length", "5")
    figures = {path.stem for path in (run / "figures").glob("*.png")}
    assert {"sequence", "training"} <= figures
    if name == "queue":
        assert {"memory-at-work", "memory"} <= figures
        memnets(lab, "lengths", str(run), "--lengths", "3,9", "--slots", "12", "--sequences", "5")
    memnets(lab, "lengths", str(run), "--lengths", "3,9", "--sequences", "5")


def test_the_task_is_learnt_by_the_queue(lab):
    """What is on the page is no toy: a queue as long as the longest sequence learns to reverse short ones."""
    run = lab / "runs" / "my-queue" / "learns"
    memnets(
        lab,
        *("fit", "my-queue.yaml", "--run_id", "learns", "--wandb.mode", "disabled", "--training.pictures_every", "0"),
        *("--task.bits", "2", "--task.max_length", "3", "--trainer.max_steps", "1500", "--training.threshold", "0.2"),
        *("--trainer.val_check_interval", "50"),
    )
    assert json.loads((run / "result.json").read_text())["solved"]


def test_a_stopped_run_is_resumed(lab):
    run = lab / "runs" / "my-queue" / "stopped"
    words = ["fit", "my-queue.yaml", *QUICK, "--trainer.max_steps", "100000", "--run_id", "stopped"]
    process = forked.Started(words, outside(), lab)
    deadline = time.monotonic() + 120
    while not (run / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()
    assert process.returncode == 143, said
    at = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"]["max_steps"] = at + 4
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    memnets(lab, "resume", str(run))
    assert json.loads((run / "result.json").read_text())["steps"] == at + 4


def test_a_sweep_over_two_seeds(lab):
    said = memnets(lab, "sweep", "my-queue.yaml", "--seeds", "0..1", *QUICK, "--trainer.max_steps", "4")
    assert "2 of 2 trials done" in said
    said = memnets(lab, "report", "sweeps/my-queue")
    assert "bit errors" in said or "wrong bits" in said


def test_what_is_used_in_python(lab, monkeypatch):
    monkeypatch.chdir(lab)
    monkeypatch.syspath_prepend(str(lab))
    names: dict = {"__name__": "docs"}
    exec("from my_lab import *", names)
    for block in USES:
        exec(block, names)
    assert names["output"].shape == (2, 7, 3)
    inputs = torch.randn(2, 4, 5)
    assert torch.equal(names["again"](inputs)[0], names["model"].eval()(inputs)[0])
    with pytest.raises(ValueError, match=r"memory is 'given'.*hand it in again"):
        type(names["model"]).from_pretrained("my-queue")
    for kind, size in (("Leaky", 3), ("RunningSum", 3)):
        model = names[kind](size, output_size=2)
        model.save_pretrained(f"my-{kind}")
        again = names[kind].from_pretrained(f"my-{kind}")
        inputs = torch.randn(2, 5, size)
        assert torch.equal(again(inputs)[0], model.eval()(inputs)[0])
    sys.modules.pop("my_lab", None)


def test_the_checks_that_the_page_names(lab, monkeypatch):
    from memnets.testing import check_memory, check_task

    monkeypatch.syspath_prepend(str(lab))
    import my_lab  # pyright: ignore[reportMissingImports]

    check_memory(my_lab.Queue())
    check_task(my_lab.Reverse())
    sys.modules.pop("my_lab", None)


def test_the_queue_runs_in_compiled_code(lab, monkeypatch):
    from memnets import MemoryNetwork

    monkeypatch.syspath_prepend(str(lab))
    import my_lab  # pyright: ignore[reportMissingImports]

    model = MemoryNetwork(5, 16, memory=my_lab.Queue(), output_size=3)
    assert model.backend_report()["fused"].startswith("chosen"), model.backend_report()
    inputs = torch.randn(4, 9, 5)
    outputs, _ = model(inputs, lengths=[9, 2, 0, 5])
    model.backend = "reference"
    expected, _ = model(inputs, lengths=[9, 2, 0, 5])
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-5)
    sys.modules.pop("my_lab", None)
