"""Nothing is read or written through a link that leads out of a run's or a sweep's directory."""

import shutil

import pytest
from strangers import as_sweep

from memnets.base.errors import RunError
from memnets.cli import main
from memnets.experiments.run_dir import RunDir


@pytest.mark.parametrize("name", ["checkpoints", "figures", "wandb", "metrics.csv", "trial.lock", "config.yaml"])
def test_links_out_of_a_run_are_not_followed(name, victim, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run, target = tmp_path / "run", tmp_path / "target"
    shutil.copytree(victim, run)
    (run / "result.json").unlink()
    if (run / name).is_dir():
        shutil.copytree(run / name, target)
        shutil.rmtree(run / name)
    else:
        target.write_bytes((run / name).read_bytes() if (run / name).exists() else b"precious")
        (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(target)
    before = sorted(path.stat().st_mtime_ns for path in [target, *target.glob("*")])
    for command in (["resume", str(run)], ["show", str(run)], ["lengths", str(run)]):
        assert main(command) == 1
        error = capsys.readouterr().err
        assert str(run / name) in error
        assert "is a link out of" in error
    assert sorted(path.stat().st_mtime_ns for path in [target, *target.glob("*")]) == before


@pytest.mark.parametrize("name", ["figures", "copy-ntm", "configs"])
def test_links_out_of_a_sweep_are_not_followed(name, victim, tmp_path, capsys):
    sweep = as_sweep(victim, tmp_path)
    moved = tmp_path / "moved"
    if (sweep / name).exists():
        (sweep / name).rename(moved)
    else:
        moved.mkdir()
    (sweep / name).symlink_to(moved)
    before = sorted(path for path in moved.rglob("*"))
    for command in (["report", str(sweep)], ["trial", str(sweep), "copy-ntm/seed1"], ["sweep", str(sweep)]):
        assert main(command) == 2
        assert "is a link out of the sweep's directory" in capsys.readouterr().err
    assert sorted(path for path in moved.rglob("*")) == before


@pytest.mark.parametrize("name", ["pretrained", "exported", "figures/cells", "checkpoints/epoch=0.ckpt", "wandb/a/b"])
def test_folders_that_commands_add_to_a_run_are_no_way_out_of_it(name, victim, tmp_path):
    run, target = tmp_path / "run", tmp_path / "target"
    shutil.copytree(victim, run)
    target.mkdir()
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).symlink_to(target)
    with pytest.raises(RunError, match="is a link out of"):
        RunDir.open(run)


def test_the_link_to_its_log_that_wandb_makes_in_a_run_is_no_matter(victim, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(victim, run)
    logs = run / "wandb" / "offline-run-1" / "logs"
    logs.mkdir(parents=True)
    (logs / "debug-core.log").symlink_to(tmp_path / "core-debug.log")
    RunDir.open(run)
    (logs / "debug.log").symlink_to(tmp_path / "core-debug.log")
    with pytest.raises(RunError, match=r"debug\.log is a link out of"):
        RunDir.open(run)


def test_links_within_a_run_and_round_in_circles_are_no_matter(victim, tmp_path):
    run = shutil.copytree(victim, tmp_path / "run")
    (run / "wandb").mkdir(exist_ok=True)
    (run / "wandb" / "latest-run").symlink_to("offline-run-1")
    (run / "loop").symlink_to("loop")
    assert RunDir.open(run).path == run
