"""Sweeps that train: killed and continued, with a trial that fails; trials one by one."""

import errno
import json
import re
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml

from forked import Started
from memnets.cli import main
from memnets.experiments import sweep as sweeping
from memnets.experiments.engines.local import HELD, LocalEngine
from memnets.experiments.lock import hold, holder
from memnets.experiments.sweeps import directory
from memnets.experiments.sweeps.directory import SweepDir, TrialDir
from memnets.experiments.sweeps.results import NEEDED
from running import TINY, environment, fit, result

STEPS = ["--trainer.max_steps", "60", "--trainer.val_check_interval", "20"]
RATES = "5e-4,1e-3,1e38"
"""The last one makes NaN, which no check of settings can foresee."""
LINGER = '''
import time
from pathlib import Path
import lightning.pytorch as pl

class Linger(pl.Callback):
    """Trains slowly once there is a checkpoint, until the sweep was killed."""
    def __init__(self, until: str):
        self.until = Path(until)

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step > 20 and not self.until.exists():
            time.sleep(1)
'''


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def wait_for(condition, seconds: float = 90.0) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert time.time() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A sweep by two processes, killed once both had trained for a while."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "lingering.py").write_text(LINGER)
    linger = ["--trainer.callbacks", f"[{{class_path: lingering.Linger, init_args: {{until: {folder / 'killed'}}}}}]"]
    words = ["sweep", "copy-ntm", *TINY, *STEPS, *linger, "--grid", f"optimizer.lr={RATES}", "--seeds", "2"]
    two = ["--processes", "2", "--threads", "1", "--wandb.mode", "disabled"]
    process = Started([*words, *two], environment(), folder)
    sweep = SweepDir(folder / "sweeps" / "copy-ntm")
    places = [TrialDir(sweep.path / f"copy-ntm/optimizer.lr={rate}/seed2") for rate in RATES.split(",")]
    wait_for(lambda: all((place.path / "checkpoints/last.ckpt").is_file() for place in places[:2]))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (folder / "killed").touch()
    return sweep, places


@pytest.fixture(scope="module")
def continued(killed):
    """The same, gone on with."""
    sweep, places = killed
    wait_for(lambda: not any(holder(place.path) for place in places[:2]))
    assert not any(place.is_done for place in places), "the kill came too late to show anything"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        patch.chdir(sweep.path.parent.parent)
        status = main(["sweep", str(sweep.path), "--processes", "2", "--threads", "1"])
    return sweep, places, status


def test_trials_end_when_the_sweep_that_started_them_is_killed_and_save_first(continued):
    for place in continued[1][:2]:
        assert re.search(r"stopped by SIGTERM at step \d+; go on with: memnets resume", place.log.read_text())


def test_continued_trials_end_as_if_they_had_never_been_stopped(continued, tmp_path):
    """To the last bit, and as a run that never belonged to a sweep."""
    place = continued[1][1]
    assert "(resumed from last.ckpt)" in place.log.read_text()
    settings = [*STEPS, "--optimizer.lr", "1e-3", "--seed", "2"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = fit(tmp_path, *settings)
    torch.set_num_threads(threads)
    ours, theirs = weights(place.path), weights(alone)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert result(place.path)["lengths"] == result(alone)["lengths"]


def test_a_failing_trial_is_reported_and_stops_no_other(continued, capsys):
    sweep, places, status = continued
    assert status == 1
    assert [place.state() for place in places] == ["done", "done", "failed"]
    noted = places[2].read(places[2].failure)
    assert "became NaN or Inf" in noted["error"]
    before = places[2].log.read_text()
    assert main(["sweep", str(sweep.path)]) == 1  # not run again, and said again
    printed = capsys.readouterr().out
    assert "3 trials, 0 to run" in printed
    assert "failed: copy-ntm/optimizer.lr=1e38/seed2\n  " + noted["error"] in printed
    assert f"again: memnets trial {sweep.path} copy-ntm/optimizer.lr=1e38/seed2" in printed
    assert places[2].log.read_text() == before


def test_commands_are_for_what_is_not_done(continued, capsys):
    sweep, _, _ = continued
    assert main(["sweep", str(sweep.path), "--engine", "commands"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "1 failed, which --retry-failed brings back" in printed.err
    assert main(["sweep", str(sweep.path), "--engine", "commands", "--retry-failed"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(f"trial {sweep.path} copy-ntm/optimizer.lr=1e38/seed2 --trust")


def test_a_trial_is_a_run_in_the_group_of_its_sweep(continued, capsys):
    _, places, _ = continued
    config = yaml.safe_load(places[0].config.read_text())
    assert config["wandb"]["group"] == "copy-ntm"
    assert config["optimizer"]["init_args"]["lr"] == 5e-4
    assert (config["seed"], config["experiment"]) == (2, "copy-ntm")
    assert re.fullmatch(r"copy-ntm-optimizer\.lr=5e-4-seed2-\d{8}-\d{6}", config["run_id"])  # one for each sweep
    assert main(["lengths", str(places[0].path), "--lengths", "2", "--sequences", "3"]) == 0
    assert len(places[0].read(places[0].attempts)) == 2


def test_the_report_of_a_sweep_with_a_failed_trial(continued, capsys):
    sweep, _, _ = continued
    assert main(["report", str(sweep.path)]) == 0
    text = (sweep.path / "report.md").read_text()
    assert "2 of 3 trials are done. 1 missing: copy-ntm/optimizer.lr=1e38 seed 2 failed." in text
    assert text in capsys.readouterr().out


def tiny_sweep(folder: Path, *words: str) -> SweepDir:
    arguments = ["sweep", "copy-ntm", *TINY, "--trainer.max_steps", "4", "--trainer.val_check_interval", "2", *words]
    assert main([*arguments, "--sweeps", str(folder / "sweeps"), "--engine", "commands"]) == 0
    return SweepDir(folder / "sweeps" / "copy-ntm")


def test_a_trial_by_itself_runs_once_and_is_then_done(tmp_path, monkeypatch, capsys, without_figures):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    sweep = tiny_sweep(tmp_path, "--wandb.group", "mine")
    place = TrialDir(sweep.path / "copy-ntm/seed0")
    with hold(sweep.path):
        place.path.mkdir(parents=True)
    with hold(place.path):
        assert main(["trial", str(sweep.path), "copy-ntm/seed0"]) == HELD
    assert "is being run by process" in capsys.readouterr().err
    assert main(["trial", str(sweep.path), "copy-ntm/seed0"]) == 0
    assert result(place.path)["steps"] == 4
    assert yaml.safe_load(place.config.read_text())["wandb"]["group"] == "mine"
    before = place.result.stat().st_mtime_ns
    capsys.readouterr()
    assert main(["trial", str(sweep.path), "copy-ntm/seed0"]) == 0
    assert "copy-ntm/seed0 is done" in capsys.readouterr().out
    assert place.result.stat().st_mtime_ns == before
    assert main(["trial", str(sweep.path), "copy-ntm/seed1"]) == 2
    assert "has no trial 'copy-ntm/seed1'; did you mean copy-ntm/seed0?" in capsys.readouterr().err


def test_a_stopped_sweep_goes_on_with_as_many_threads_a_trial(tmp_path, monkeypatch, capsys):
    """Other threads round differently, and what is left would get more of them."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(sweeping, "usable_cores", lambda: 4)
    seen = []

    def train_all(engine, place, left, options):
        seen.append((len(left), options.processes, options.threads))
        return 0

    monkeypatch.setattr(LocalEngine, "run", train_all)
    monkeypatch.setattr("memnets.experiments.engines.display.Display", lambda *_: None)  # results here hold nothing
    sweep = tiny_sweep(tmp_path, "--seeds", "0..3")
    main(["sweep", str(sweep.path)])
    for seed in (0, 1, 2):
        place = TrialDir(sweep.path / f"copy-ntm/seed{seed}")
        place.path.mkdir(parents=True)
        place.result.write_text("{}")
    main(["sweep", str(sweep.path)])
    main(["sweep", str(sweep.path), "--processes", "2"])
    main(["sweep", str(sweep.path), "--processes", "9", "--threads", "3"])
    assert seen == [(4, 4, 1), (1, 1, 1), (1, 1, 2), (1, 1, 3)]


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    sweep = tiny_sweep(tmp_path)
    place = TrialDir(sweep.path / "copy-ntm/seed0")

    def full(files):
        raise OSError(errno.ENOSPC, "No space left on device", str(next(iter(files))))

    monkeypatch.setattr(directory, "write_atomically", full)
    assert main(["sweep", str(sweep.path), "--seeds", "0..1", "--engine", "commands"]) == 2
    error = capsys.readouterr().err
    assert f"{sweep.path} cannot be written (No space left on device): make room there" in error
    assert main(["trial", str(sweep.path), "copy-ntm/seed0"]) == 1
    assert capsys.readouterr().err.endswith(f"{place.attempts}: No space left on device: make room there\n")
    assert not list(sweep.path.rglob("*.json"))
    assert place.state() == "waiting"


def test_a_trial_whose_settings_are_refused_says_so_and_can_be_tried_again(
    tmp_path, monkeypatch, capsys, without_figures
):
    """With --engine commands the trial itself is the first that looks at them."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    sweep = tiny_sweep(tmp_path, "--training.checks", "0")
    place = TrialDir(sweep.path / "copy-ntm/seed0")
    assert main(["trial", str(sweep.path), "copy-ntm/seed0"]) == 2
    assert "checks is 0" in capsys.readouterr().err
    assert "checks is 0" in place.read(place.failure)["error"]
    assert not place.config.exists()
    plan = sweep.plan_file.read_text()
    sweep.plan_file.write_text(plan.replace("training.checks: '0'", "training.checks: '1'"))
    assert main(["trial", str(sweep.path), "copy-ntm/seed0"]) == 0
    assert place.state() == "done"
    assert not place.failure.exists()


def test_a_run_is_not_resumed_twice_at_once(continued, capsys):
    run = continued[1][0].path
    with hold(run):
        assert main(["resume", str(run)]) == 1
    assert "is being run by process" in capsys.readouterr().err
    assert main(["resume", str(run)]) == 1
    assert "has ended (it holds result.json)" in capsys.readouterr().err


def test_damaged_files_are_named(tmp_path, capsys, monkeypatch):
    sweep = tiny_sweep(tmp_path)
    place = TrialDir(sweep.path / "copy-ntm/seed0")
    place.path.mkdir(parents=True)
    place.result.write_text("{")
    assert main(["report", str(sweep.path)]) == 2
    assert "result.json is damaged" in capsys.readouterr().err
    whole = {name: kind() if isinstance(kind, type) else 0 for name, kind in NEEDED.items()}
    whole |= {"lengths": {"3": {"bit_errors": 1.0}}}
    no_numbers = "one of its tables holds something else than numbers"
    for content, fault in (
        ([], "it is no mapping"),
        (None, "it is no mapping"),
        (whole | {"lengths": {}}, "it has no table of lengths"),
        (whole | {"lengths": {"3": 0.5}}, no_numbers),
        (whole | {"evaluations": {"unseen font": 0.5}}, no_numbers),
        ({name: value for name, value in whole.items() if name != "backend"}, "it has no backend"),
        (whole | {"metrics": 3}, "its metrics is of another kind"),
    ):
        place.result.write_text(json.dumps(content))
        assert main(["report", str(sweep.path)]) == 2
        error = capsys.readouterr().err
        assert f"result.json cannot be used, as {fault}: delete it and run the trial again" in error
        assert error.count("\n") == 1
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert main(["sweep", str(sweep.path), "--seeds", "0..1"]) == 2
    assert "result.json cannot be used" in capsys.readouterr().err
    place.result.unlink()
    for path, text, message in (
        (place.attempts, "{}", "attempts.json cannot be used, as it is no list of attempts"),
        (place.config, "task: [", "config.yaml is damaged, as no task can be read from it"),
        (place.config, "x: 1", "config.yaml is damaged, as no task can be read from it (KeyError)"),
    ):
        path.write_text(text)
        assert main(["report", str(sweep.path)]) == 2
        assert message in capsys.readouterr().err
        path.unlink()
