"""The same sweep on a local Ray; `make test-ray` installs it."""

import pytest

from memnets.experiments.sweeps.directory import SweepDir
from running import TINY, command, result

pytest.importorskip("ray.tune", reason="the extra memnets[ray] is not installed")


def test_a_sweep_on_a_local_ray_with_a_trial_that_is_done_and_one_that_fails(tmp_path):
    steps = ["--trainer.max_steps", "6", "--trainer.val_check_interval", "3", "--wandb.mode", "disabled"]
    rates = ["--grid", "optimizer.lr=1e-3,1e38"]
    words = ["sweep", "copy-ntm", *TINY, *steps, *rates, "--processes", "2", "--threads", "1", "--engine"]
    listed = command(*words, "commands", PWD=str(tmp_path))
    assert len(listed.stdout.splitlines()) == 2, listed.stderr
    done = command(*words, "ray", PWD=str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    sweep, plan = SweepDir.open(tmp_path / "sweeps" / "copy-ntm")
    good, bad = (sweep.trial(trial) for trial in plan.trials())
    assert (good.state(), bad.state()) == ("done", "failed")
    assert result(good.path)["steps"] == 6
    assert "became NaN or Inf" in bad.read(bad.failure)["error"]
    assert "done     copy-ntm/optimizer.lr=1e-3/seed0: not solved within 24 sequences" in done.stdout
    assert "failed: copy-ntm/optimizer.lr=1e38/seed0" in done.stdout
    assert len(good.read(good.attempts)) == 1
