"""The report of a sweep of which something failed, is no number, is missing or was damaged."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from memnets.cli import main
from memnets.experiments.reports.tables import plan_command
from memnets.experiments.sweeps.directory import SweepDir, TrialDir
from memnets.experiments.sweeps.plan import Plan, PlanError
from report_cases import MACHINE, make_sweep, tables


def test_a_seed_that_failed_counts_as_not_solved(tmp_path, capsys):
    """Networks that diverge leave no result; without them the rest would look better."""
    sweep = make_sweep(tmp_path)
    small = "copy-ntm/model.slots=8"
    TrialDir(sweep.path / small / "seed4").fail(1, "the loss became NaN")
    for seed in range(4):
        place = TrialDir(sweep.path / f"copy-ntm/model.slots=16/seed{seed}")
        place.result.unlink()
        place.fail(1, "the loss became NaN")
    assert main(["report", str(sweep.path)]) == 0
    text = (sweep.path / "report.md").read_text()
    (_, large, few), lengths, seeds = tables(text)
    low, middle, high = np.quantile([1600, 3200, 4800, 1e300, 1e300], [0.25, 0.5, 0.75])
    assert high == 1e300
    assert few[:4] == ["copy-ntm/model.slots=16", "0 of 4", "never", "never"]
    assert few[4:] == ["-", "-", "-"]
    assert large[-1] == "0.225 % [0.113 %, 0.338 %], worst 0.45 % (of 2,000 each)"  # 0, 3, 6 and 9 of them
    assert large[:3] == [small, "3 of 5", f"{middle:,.0f} [{low:,.0f}, never]"]
    assert len(lengths) == 2
    assert lengths[1][1].endswith("worst 12.25; zero in 2 of 5")
    assert len(seeds) == 1 + 4
    assert f"{small} seed 4 failed" in text


def test_an_error_that_is_no_number_is_the_worst(tmp_path, capsys):
    sweep = make_sweep(tmp_path)
    place = TrialDir(sweep.path / "copy-ntm/model.slots=8/seed0")
    found = json.loads(place.result.read_text())
    found["lengths"]["10"]["bit_errors"] = None  # as NaN is written
    found["metrics"]["val/bit_errors"] = math.nan
    place.result.write_text(json.dumps(found))
    assert main(["report", str(sweep.path)]) == 0
    solving, lengths, _ = tables((sweep.path / "report.md").read_text())
    assert lengths[1][2].endswith("worst inf; zero in 1 of 4")
    assert "inf" in solving[1][5]


def test_attempts_and_failures_of_other_kinds_are_named(tmp_path):
    place = TrialDir(tmp_path)
    for attempts in ({}, [1], [MACHINE | {"cpu": []}], [MACHINE | {"started": 5}], [MACHINE | {"threads": "2"}]):
        place.attempts.write_text(json.dumps(attempts))
        with pytest.raises(PlanError, match=r"attempts\.json cannot be used"):
            place.read_attempts()
    for failure in ([], {}, {"error": 1}):
        place.failure.write_text(json.dumps(failure))
        with pytest.raises(PlanError, match=r"failure\.json cannot be used"):
            place.read_failure()


def test_a_command_that_could_not_be_read_back_names_the_plans_file(tmp_path):
    sweep = SweepDir(tmp_path / "s" / "a")
    plan = Plan("a", {"copy-ntm": {}}, (0,), {"wandb.group": ("x,y", "z")})
    assert plan_command(sweep, plan) == f"memnets sweep {sweep.plan_file}"
    plan = Plan("a", {"copy-ntm": {}}, (0,))
    assert plan_command(sweep, plan).endswith(f" --name a --sweeps {tmp_path / 's'}")
    assert "--sweeps" not in plan_command(SweepDir(Path("sweeps/a")), plan)


def test_a_sweep_of_failures_alone_has_a_table_too(tmp_path, capsys):
    sweep = SweepDir(tmp_path / "sweeps" / "a")
    (tmp_path / "copy-ntm.yaml").write_text("task: {}\n")
    sweep.begin(Plan("a", {"copy-ntm": {}}, (0, 1)), {"copy-ntm": tmp_path / "copy-ntm.yaml"})
    TrialDir(sweep.path / "copy-ntm/seed1").fail(1, "the loss became NaN")
    assert main(["report", str(sweep.path)]) == 0
    text = (sweep.path / "report.md").read_text()
    assert tables(text)[0][1] == ["copy-ntm", "0 of 1", "never", "never", "-", "-"]
    assert "copy-ntm seed 0 not begun, seed 1 failed" in text


@pytest.mark.parametrize(("metric", "worst"), [("bleu1", "0.00"), ("character_error_rate", "inf")])
def test_a_score_that_is_no_number_is_the_worst(tmp_path, metric, worst):
    """Infinite, a share of right answers would be the best."""
    sweep = make_sweep(tmp_path, metric)
    for seed, score in enumerate((0.5, 0.5, None, 0.5)):
        path = sweep.path / f"copy-ntm/model.slots=8/seed{seed}/result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"evaluations": {"unseen pairs": {metric: score}}}))
    assert main(["report", str(sweep.path)]) == 0
    _, _, new, _ = tables((sweep.path / "report.md").read_text())
    assert new[1][1].endswith(f"worst {worst}")


def test_a_sweep_with_nothing_done_yet(tmp_path, capsys):
    sweep = make_sweep(tmp_path)
    for path in sweep.path.glob("copy-ntm/*/*/result.json"):
        path.unlink()
    assert main(["report", str(sweep.path)]) == 0
    printed = capsys.readouterr().out
    assert "0 of 10 trials are done. 10 missing: copy-ntm/model.slots=8 seed 0..3 started, seed 4 not begun" in printed
    assert (sweep.figures / "learning-copy-ntm.png").is_file()  # what was learnt so far
    assert not (sweep.figures / "lengths.png").exists()
    assert main(["report", str(tmp_path)]) == 2
    assert "is not the directory of a sweep" in capsys.readouterr().err
