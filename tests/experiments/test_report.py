"""The report: numbers against NumPy, its tables and its files."""

import csv
import io
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from memnets.cli import main
from memnets.experiments.reports.outcomes import read_outcomes
from memnets.experiments.reports.statistics import errors, quantile, show_spread, whole
from memnets.experiments.sweeps.directory import SweepDir, TrialDir
from memnets.experiments.sweeps.file import read_plan
from memnets.experiments.sweeps.plan import PlanError
from memnets.experiments.sweeps.results import final_error
from memnets_tasks import Copy, DynamicNGrams
from report_cases import CONFIG, ERRORS, make_sweep, tables


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    sweep = make_sweep(tmp_path_factory.mktemp("report"))
    assert main(["report", str(sweep.path)]) == 0
    return sweep


def test_the_table_of_solving(sweep):
    text = (sweep.path / "report.md").read_text()
    head, small, large = tables(text)[0]
    assert head[:4] == ["experiment", "solved", "sequences to solve", "seconds to solve"]
    assert small[:2] == ["copy-ntm/model.slots=8", "3 of 4"]
    low, middle, _ = np.quantile([1600, 3200, 4800, 1e300], [0.25, 0.5, 0.75])
    assert small[2] == f"{middle:,.0f} [{low:,.0f}, never]"
    assert small[4] == "1,000"
    final = np.quantile(list(ERRORS.values()), [0.5, 0.25, 0.75])
    assert small[5] == "{:.2f} [{:.2f}, {:.2f}] bit errors".format(*final)
    assert large[5] == "{:.2f} [{:.2f}, {:.2f}] bit errors".format(*(final + 1))


def test_the_table_of_lengths_and_of_seeds(sweep):
    _, lengths, seeds = tables((sweep.path / "report.md").read_text())
    assert lengths[0] == ["experiment", "5", "10"]
    low, middle, high = np.quantile([3 * value for value in ERRORS.values()], [0.25, 0.5, 0.75])
    assert lengths[1][2] == f"{middle:.2f} [{low:.2f}, {high:.2f}], worst 36.75; zero in 2 of 4"
    assert len(seeds) == 1 + 8
    assert seeds[3] == ["copy-ntm/model.slots=8", "2", "no", "never", "never", "6,400", "6.5", "12.25", "36.75"]


HOSTILE = {
    "solved": ["x", None],
    "sequences_to_solve": ["1", [], 10**400],
    "parameters": [[], {}, 1.5],
    "seconds": [None, "1", 10**400],
    "backend": [[]],
    "metrics": [[], {"val/bit_errors": "1"}],
    "lengths": [{}, [], {"x": {"a": 1}}, {"9" * 5000: {"a": 1}}, {"5": {}}, {"5": {"a": "1"}}, {"5": {"a": [[]]}}],
    "evaluations": [[1], {"unseen": {"a": {}}}],
    "failures": [None, {}, {"failing": 1, "sequences": 2, "rate": "x"}],
}


def test_a_result_of_other_kinds_of_values_is_one_line(sweep, capsys):
    place = TrialDir(sweep.path / "copy-ntm/model.slots=8/seed0")
    sound = place.result.read_text()
    try:
        for key, values in HOSTILE.items():
            for value in values:
                place.result.write_text(json.dumps(json.loads(sound) | {key: value}))
                with pytest.raises(PlanError, match=r"result\.json cannot be used, as "):
                    place.read_result()
        assert main(["report", str(sweep.path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    finally:
        place.result.write_text(sound)


def test_steps_left_out_and_collapses_stand_beside_each_seed_where_they_were_counted(tmp_path, capsys):
    sweep = make_sweep(tmp_path)
    _, plan = SweepDir.open(sweep.path)
    place = sweep.trial(plan.trials()[0]).result
    place.write_text(json.dumps({**json.loads(place.read_text()), "skipped_steps": 14, "collapses": 2}))
    assert main(["report", str(sweep.path)]) == 0
    _, _, seeds = tables((sweep.path / "report.md").read_text())
    assert seeds[0][7:9] == ["skipped steps", "collapses"]
    assert seeds[1][7:9] == ["14", "2"]
    assert seeds[2][7:9] == ["", ""]
    rows = list(csv.DictReader(io.StringIO((sweep.path / "report.csv").read_text())))
    assert [(row["skipped_steps"], row["collapses"]) for row in rows[:2]] == [("14", "2"), ("", "")]


def test_where_more_is_better_the_least_is_the_worst(tmp_path, capsys):
    sweep = make_sweep(tmp_path, error="bleu1")
    assert main(["report", str(sweep.path)]) == 0
    _, lengths, _ = tables((sweep.path / "report.md").read_text())
    assert lengths[1][1].endswith("worst 0.00")


def test_errors_of_ngrams_are_those_that_their_threshold_is_of():
    task = DynamicNGrams()
    batch = task.sample(2, 20, torch.Generator().manual_seed(0))
    row = {name: float(value) for name, value in task.scores(torch.zeros_like(batch.targets), batch).items()}
    result = {"lengths": {"20": row}, "metrics": {f"val/{name}": value for name, value in row.items()}}
    assert final_error(result) == pytest.approx(float(task.errors(batch.targets * 0, batch).mean()))


def test_the_threshold_is_that_of_the_run(tmp_path):
    sweep = make_sweep(tmp_path)
    plan = read_plan(sweep.plan_file)
    place = TrialDir(sweep.path / "copy-ntm/model.slots=8/seed0")
    assert read_outcomes(sweep, plan)[0].task.threshold == Copy().threshold
    place.config.write_text(CONFIG + "training: {threshold: 3.5}\n")
    assert read_outcomes(sweep, plan)[0].task.threshold == 3.5
    place.config.write_text(CONFIG + "training: {threshold: null}\n")
    assert read_outcomes(sweep, plan)[0].task.threshold == Copy().threshold


def test_tasks_of_other_units_have_tables_of_their_own(tmp_path, capsys):
    sweep = make_sweep(tmp_path)
    for seed in range(4):
        place = TrialDir(sweep.path / f"copy-ntm/model.slots=16/seed{seed}")
        place.config.write_text("task:\n  class_path: memnets_tasks.AssociativeRecall\n")
    assert main(["report", str(sweep.path)]) == 0
    text = (sweep.path / "report.md").read_text()
    assert "at each length (vectors)" in text
    assert "at each length (items)" in text


def test_what_is_missing_where_it_ran_and_the_command_are_said(sweep):
    text = (sweep.path / "report.md").read_text()
    assert "8 of 10 trials are done. 2 missing: copy-ntm/model.slots=8 seed 4 not begun; copy-ntm/" in text
    assert "Run 2026-01-02; Some CPU, 8 cores, torch 2.13.0, 2 threads a trial; backend fused on cpu." in text
    assert "memnets sweep copy-ntm --seeds 0..4 --grid model.slots=8,16 --trainer.max_steps 9 --name sizes" in text
    assert "## Bit errors at each length (vectors)" in text


def test_scores_on_what_is_new_have_a_table_and_columns(tmp_path):
    """Of a sweep that mixes tasks, some have none."""
    sweep = make_sweep(tmp_path, "character_error_rate")
    rates = (0.011, 0.031, 0.021, 0.051)
    for seed, rate in enumerate(rates):
        path = sweep.path / f"copy-ntm/model.slots=8/seed{seed}/result.json"
        new = {"unseen font": {"character_error_rate": rate, "word_accuracy": 1 - rate}}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"evaluations": new}))
    assert main(["report", str(sweep.path)]) == 0
    text = (sweep.path / "report.md").read_text()
    assert "## Character error rate on what is new" in text
    low, middle, high = np.quantile(rates, [0.25, 0.5, 0.75])
    _, _, new, _ = tables(text)
    assert new[0] == ["experiment", "unseen font"]
    assert new[1] == ["copy-ntm/model.slots=8", f"{middle:.2g} [{low:.2g}, {high:.2g}], worst 0.051"]
    assert new[2] == ["copy-ntm/model.slots=16", "-"]
    rows = list(csv.DictReader(io.StringIO((sweep.path / "report.csv").read_text())))
    assert [row["word_accuracy@unseen font"] for row in rows[:4]] == [str(1 - rate) for rate in rates]
    assert rows[5]["word_accuracy@unseen font"] == ""


def test_the_csv_has_a_row_a_trial(sweep):
    rows = list(csv.DictReader(io.StringIO((sweep.path / "report.csv").read_text())))
    assert len(rows) == 10
    by_place = {(row["model.slots"], int(row["seed"])): row for row in rows}
    one = by_place["16", 2]
    assert (one["state"], one["solved"], one["sequences_to_solve"]) == ("done", "False", "")
    assert float(one["bit_errors@10"]) == 36.75
    assert float(one["final_error"]) == 13.25
    assert (one["cpu"], one["threads"]) == ("Some CPU", "2")
    assert by_place["8", 4]["state"] == "waiting"


def test_the_unit_is_that_of_the_task(tmp_path, capsys):
    """Not every task counts bits."""
    sweep = make_sweep(tmp_path, error="word_errors")
    other = tmp_path / "elsewhere"
    words = ["--markdown", str(other / "a.md"), "--csv", str(other / "b.csv")]
    assert main(["report", str(sweep.path), *words]) == 0
    text = (other / "a.md").read_text()
    assert "Word errors at each length" in text
    assert "bit errors" not in text
    assert (other / "b.csv").read_text().count("word_errors@5") == 1
    assert not (sweep.path / "report.md").exists()
    assert str(sweep.figures / "lengths.png") in text


def test_figures_are_there_and_linked(sweep):
    text = (sweep.path / "report.md").read_text()
    for name in ("learning-copy-ntm", "lengths"):
        assert f"(figures/{name}.png)" in text
        with Image.open(sweep.figures / f"{name}.png") as image:
            assert image.width > 600


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=9), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_quantiles_are_numpys_while_all_are_finite(values, share):
    assert quantile(values, share) == pytest.approx(float(np.quantile(values, share)), rel=1e-12, abs=1e-12)


def test_what_never_came_is_later_than_all_else():
    assert quantile([1.0, math.inf, 2.0], 0.5) == 2.0
    assert quantile([1.0, math.inf, math.inf], 0.5) == math.inf
    assert show_spread([1.0, 2.0, math.inf], whole) == "2 [2, never]"
    assert show_spread([math.inf] * 3, whole) == "never"
    assert [errors(value) for value in (0, 0.001, 0.25, 12)] == ["0.00", "0.001", "0.25", "12.00"]
    assert [errors(value) for value in (0.0249, 0.0061, 2.5e-5)] == ["0.025", "0.0061", "2.5e-05"]


def test_the_plan_of_a_report_is_the_stored_one(sweep):
    assert len(read_plan(sweep.plan_file).trials()) == 10
