"""The report: numbers against NumPy, what is missing, and figures of every seed."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle
from PIL import Image

from memnets.cli import main
from memnets.experiments.reports.outcomes import read_outcomes
from memnets.experiments.reports.statistics import errors, quantile, show_spread, whole
from memnets.experiments.reports.tables import plan_command
from memnets.experiments.sweeps.directory import SweepDir, TrialDir
from memnets.experiments.sweeps.file import read_plan
from memnets.experiments.sweeps.plan import Plan, PlanError
from memnets.experiments.sweeps.results import final_error
from memnets.viz import LengthsPanel, learning_seeds_figure, lengths_seeds_figure
from memnets_tasks import Copy, DynamicNGrams

MACHINE = {
    "started": "2026-01-02T03:04:05",
    "host": "h",
    "cpu": "Some CPU",
    "cores": 8,
    "threads": 2,
    "torch": "2.13.0",
}
CONFIG = "task:\n  class_path: memnets_tasks.Copy\n  init_args: {min_length: 1, max_length: 5}\n"
SOLVED_AT = {0: 1600, 1: 4800, 2: None, 3: 3200}
ERRORS = {0: 0.0, 1: 0.5, 2: 12.25, 3: 0.0}


def make_sweep(folder: Path, error: str = "bit_errors") -> SweepDir:
    """A sweep of 2 x 5 trials without training; the last seed of each is missing."""
    plan = Plan("sizes", {"copy-ntm": {}}, (0, 1, 2, 3, 4), {"model.slots": ("8", "16")}, {"trainer.max_steps": "9"})
    source = folder / "copy-ntm.yaml"
    source.write_text("task: {}\n")
    sweep = SweepDir(folder / "sweeps" / "sizes")
    sweep.begin(plan, {"copy-ntm": source})
    for trial in plan.trials():
        if trial.seed == 4:
            continue
        place, seed = sweep.trial(trial), trial.seed
        place.path.mkdir(parents=True)
        place.config.write_text(CONFIG)
        place.begin_attempt(MACHINE)
        shift = 0 if trial.point["model.slots"] == "8" else 1
        result = {
            **{"experiment": "copy-ntm", "seed": seed, "solved": SOLVED_AT[seed] is not None},
            **{"sequences_to_solve": SOLVED_AT[seed], "seconds_to_solve": SOLVED_AT[seed] and SOLVED_AT[seed] / 1000},
            **{"steps": 400, "sequences": 6400, "seconds": 6.5, "parameters": 1000 + shift, "backend": "fused"},
            "device": "cpu",
            "metrics": {f"val/{error}": ERRORS[seed] + shift, "val/loss": 0.5},
            "failures": {"failing": 3 * seed, "sequences": 2000, "rate": 3 * seed / 2000, "threshold": 0.1},
            "lengths": {"5": {error: ERRORS[seed], "accuracy": 1.0}, "10": {error: 3 * ERRORS[seed], "accuracy": 0.5}},
        }
        place.result.write_text(json.dumps(result))
        rows = [
            f"{step},{step * 16},{20 / step + seed + shift},0.5" for step in (100, 200, 400)[: 2 if seed == 1 else 3]
        ]
        (place.path / "metrics.csv").write_text("\n".join([f"step,sequences,val/{error},val/loss", *rows]) + "\n")
    return sweep


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    sweep = make_sweep(tmp_path_factory.mktemp("report"))
    assert main(["report", str(sweep.path)]) == 0
    return sweep


def tables(text: str) -> list[list[list[str]]]:
    """The Markdown's tables as rows of cells, headings included."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [[rows[0], *rows[2:]] for rows in found if rows]


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


def test_names_in_figures_are_no_mathematics(tmp_path):
    figure = learning_seeds_figure({r"$\bad$": [([1, 2], [0.5, 0.25])]}, error=r"$\bad$", title=r"$\bad$")
    figure.savefig(tmp_path / "a.png")
    panel = LengthsPanel(r"$\bad$", {r"$\bad$": [{5: 1.0}]}, r"$\bad$", "length", (1, 5))
    lengths_seeds_figure([panel], r"$\bad$").savefig(tmp_path / "b.png")


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


def test_figures_are_there_and_linked(sweep):
    text = (sweep.path / "report.md").read_text()
    for name in ("learning-copy-ntm", "lengths"):
        assert f"(figures/{name}.png)" in text
        with Image.open(sweep.figures / f"{name}.png") as image:
            assert image.width > 600


def test_learning_curves_are_drawn_for_every_seed_and_their_median():
    groups = {
        "a": [([16, 32, 48], [9.0, 6.0, 3.0]), ([16, 32], [5.0, 4.0]), ([16, 32, 48, 64], [1.0, 5.0, 1.0, 0.5])],
        "b": [([16, 32], [7.0, 8.0])],
        "none yet": [([], [])],
    }
    axes = learning_seeds_figure(groups, error="bit errors", threshold=0.1).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) and line.get_linestyle() != "--"]
    thin = [line for line in curves if line.get_linewidth() < 0.85]
    thick = [line for line in curves if line.get_linewidth() > 2]
    assert [list(line.get_ydata()) for line in thin] == [list(y) for c in groups.values() for _, y in c if len(y)]
    assert len({line.get_color() for line in thin[:3]}) == 1
    assert thin[3].get_color() != thin[0].get_color()
    assert list(thick[0].get_xdata()) == [16, 32, 48, 64]
    assert list(thick[0].get_ydata()) == [5.0, 5.0, 3.0, 3.0]  # a seed that stopped keeps its last error
    assert axes.get_ylabel() == "validation bit errors"
    with pytest.raises(ValueError, match="no validation to draw"):
        learning_seeds_figure({"a": [([], [])]}, error="bit errors")
    with pytest.raises(ValueError, match="a curve of a has 2 sequence counts but 1 errors"):
        learning_seeds_figure({"a": [([1, 2], [1.0])]}, error="bit errors")


def test_length_curves_are_drawn_for_every_seed_with_the_training_range():
    runs = [{5: 0.0, 10: 1.0, 40: 9.0}, {5: 0.0, 10: 3.0, 40: 5.0}, {5: 0.0, 10: 2.0, 40: 300.0}]
    panel = LengthsPanel("Copy", {"a": runs, "b": [{5: 1.0, 10: 2.0}]}, "bit errors", "vectors", (1, 5))
    axes = lengths_seeds_figure([panel]).axes[0]
    thin = [line for line in axes.lines if line.get_linewidth() < 0.85]
    thick = [line for line in axes.lines if line.get_linewidth() > 2]
    assert [list(line.get_ydata()) for line in thin[:3]] == [list(run.values()) for run in runs]
    assert math.isnan(thin[3].get_ydata()[2])
    assert list(thick[0].get_ydata()) == [0.0, 2.0, 9.0]
    bands = [p for p in axes.patches if isinstance(p, (Rectangle, PolyCollection))]
    assert any(math.isclose(p.get_x(), 1) and math.isclose(p.get_width(), 4) for p in bands)
    with pytest.raises(ValueError, match="no table of lengths"):
        lengths_seeds_figure([])


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
