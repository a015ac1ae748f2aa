"""What W&B was given, read back from the offline run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from memnets.training.loggers import WandbUnavailableError, resolve_wandb_mode
from memnets.training.loggers.wandb import _wandb_id
from running import TINY, environment, fit, new_command


def records(run: Path) -> list[dict]:
    (log,) = run.glob("wandb/offline-run-*/*.wandb")
    wandb = Path(sys.executable).parent / "wandb"
    done = subprocess.run(
        [str(wandb), "leet", "inspect", "--json", str(log)], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.delenv("WANDB_MODE", raising=False)
    steps = ("--trainer.max_steps", "20", "--trainer.val_check_interval", "10", "--training.pictures_every", "1")
    folder = tmp_path_factory.mktemp("runs")
    yield fit(folder, *steps, "--wandb.log_checkpoint", "true", "--wandb.group", "trial", wandb="offline", drawn=True)
    patch.undo()


def test_offline_run_holds_what_was_logged(run):
    found = records(run)
    history: dict[str, list] = {}
    for record in found:
        if record["type"] == "history":
            for name, value in _values(record["history"]).items():
                history.setdefault(name, []).append(value)
    for name in ("train/loss", "train/bit_errors", "train/grad_norm", "train/steps_per_second", "val/bit_errors"):
        assert len(history[name]) == 2, name
    assert history["sequences"] == [40, 40, 80, 80]
    assert history["memory._type"] == ["images/separated"] * 2
    assert history["lengths._type"] == ["table-file"]
    for name in ("memory-at-work", "lengths", "training"):
        assert history[f"figures/{name}._type"] == ["images/separated"]


def test_numbers_are_those_of_metrics_csv(run):
    from memnets.training.loggers import read_metrics

    ours = read_metrics(run / "metrics.csv")["val/bit_errors"][1]
    theirs = [
        _values(r["history"])["val/bit_errors"]
        for r in records(run)
        if r["type"] == "history" and "val/bit_errors" in _values(r["history"])
    ]
    assert theirs == ours


def test_the_resolved_config_and_the_length_table_are_there(run):
    text = json.dumps([r for r in records(run) if r["type"] in ("config", "run")])
    assert "memnets.NTM" in text or "memnets.models.ntm.NTM" in text
    assert '"slots"' in text
    assert "trial" in text
    (table,) = run.glob("wandb/offline-run-*/files/media/table/lengths*.json")
    content = json.loads(table.read_text())
    assert content["columns"] == ["length", "bit_errors", "sequence_accuracy"]
    assert [row[0] for row in content["data"]] == [3, 6]


def test_the_checkpoint_is_an_artifact_when_asked(run):
    artifacts = [r for r in records(run) if "artifact" in json.dumps(r) and "last.ckpt" in json.dumps(r)]
    assert artifacts


def test_pictures_are_files(run):
    assert len(list(run.glob("wandb/offline-run-*/files/media/images/memory*.png"))) == 2


def test_disabled_leaves_no_trace_and_environment_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = fit(tmp_path, "--trainer.max_steps", "2", wandb="offline")
    assert not (run / "wandb").exists()
    assert resolve_wandb_mode("online") == "disabled"
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert resolve_wandb_mode(None) == "offline"
    monkeypatch.delenv("WANDB_MODE")
    assert resolve_wandb_mode(None) == "offline"
    with pytest.raises(WandbUnavailableError, match=r"--wandb.mode is 'somewhere', but must be one of online"):
        resolve_wandb_mode("somewhere")


def test_ids_are_such_as_wandb_takes_and_differ_where_names_do():
    """Trials of a sweep differ in characters that an id cannot hold."""
    names = [f"copy-ntm-a-model.width={value}-seed{seed}" for value in ("4", "[4]", "4" * 200) for seed in range(3)]
    ids = [_wandb_id(name) for name in names]
    assert len(set(ids)) == len(names)
    assert all(re.fullmatch(r"[\w.-]{1,128}", one) for one in ids)
    assert _wandb_id("copy-ntm-20260101-120000-seed0") == "copy-ntm-20260101-120000-seed0"


def test_no_prompt_on_a_terminal_without_a_login(tmp_path):
    """With an empty home nothing is asked and nothing hangs."""
    arguments = [*TINY, "--trainer.max_steps", "2", "--runs", str(tmp_path / "runs")]
    done = new_command("fit", "copy-ntm", *arguments, HOME=str(tmp_path), NETRC=str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "runs").glob("copy-ntm/*/wandb/offline-run-*"))


def _values(history: dict) -> dict:
    """A history record as name to value."""
    return history["item"]
