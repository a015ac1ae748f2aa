"""From words and files to a plan: what it holds, and what is refused in one line with nothing written."""

import itertools
import socket
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from memnets.cli import main
from memnets.cli.parser import parse
from memnets.cli.sweep import settings_of
from memnets.experiments.engines import ray_tune
from memnets.experiments.sweeps.directory import SweepDir
from memnets.experiments.sweeps.file import read_plan, write_plan
from memnets.experiments.sweeps.plan import Plan, PlanError, folder_name, parse_seeds, show_seeds, split_values
from memnets.experiments.sweeps.planning import make_plan
from running import TINY, environment


def plan(*words: str) -> Plan:
    options = parse(["sweep", *words])
    options.settings = settings_of(options.settings)
    return make_plan(options)[1]


def test_the_grid_is_every_combination_with_every_seed():
    grid = ["--grid", "model.slots=64,128", "--grid", "optimizer.lr=1e-3,1e-4,1e-5"]
    trials = plan("copy-ntm", "copy-ntm-ff", "--seeds", "0..3", *grid).trials()
    assert len(trials) == len({trial.name for trial in trials}) == 2 * 4 * 2 * 3
    seen = {(t.experiment, t.seed, t.settings["model.slots"], t.settings["optimizer.lr"]) for t in trials}
    assert seen == set(
        itertools.product(["copy-ntm", "copy-ntm-ff"], range(4), ["64", "128"], ["1e-3", "1e-4", "1e-5"])
    )
    assert [trial.seed for trial in trials] == sorted(trial.seed for trial in trials), (
        "the first seed of all comes first"
    )
    assert trials[0].name == "copy-ntm/model.slots=64,optimizer.lr=1e-3/seed0"


def test_settings_of_all_of_an_experiment_and_of_the_command_line(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "experiments: {copy-ntm: {trainer.max_steps: 5, model.slots: 7}, copy-lstm: }\nseeds: [0, 3..4]\n"
        "settings: {trainer.max_steps: 9, task.evaluation_lengths: [3, 6], training.threshold: null}\n"
    )
    got = plan(str(file))
    assert (got.name, got.seeds) == ("mine", (0, 3, 4))
    ntm, lstm = got.trials()[:2]
    assert ntm.settings == {
        "trainer.max_steps": "5",
        "model.slots": "7",
        "task.evaluation_lengths": "[3, 6]",
        "training.threshold": "null",
    }
    assert lstm.settings["trainer.max_steps"] == "9"
    overridden = plan(str(file), "--trainer.max_steps", "2", "--seeds", "1", "--name", "other")
    assert [trial.settings["trainer.max_steps"] for trial in overridden.trials()] == ["2", "2"]
    assert overridden.name == "other"


def test_the_command_line_replaces_what_the_file_says_of_a_key(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "experiments: {copy-ntm: {task.bits: 3}}\ngrid: {model.slots: [4, 8], model.width: [5, 6]}\n"
        "settings: {trainer.max_steps: 9}\n"
    )
    assert list(plan(str(file)).grid) == ["model.slots", "model.width"]
    fixed = plan(str(file), "--model.slots", "7")
    assert (dict(fixed.grid), fixed.settings["model.slots"]) == ({"model.width": ("5", "6")}, "7")
    widened = plan(str(file), "--grid", "trainer.max_steps=1,2", "--grid", "task.bits=2,4", "--grid", "model.slots=3")
    assert {trial.settings["trainer.max_steps"] for trial in widened.trials()} == {"1", "2"}
    assert {trial.settings["task.bits"] for trial in widened.trials()} == {"2", "4"}
    assert {trial.settings["model.slots"] for trial in widened.trials()} == {"3"}
    assert next(iter(widened.grid)) == "model.slots"  # folders keep their names
    with pytest.raises(PlanError, match=r"model\.slots is both in the grid and in the settings"):
        plan(str(file), "--model.slots", "7", "--grid", "model.slots=3")


def test_a_class_is_set_before_its_settings_and_a_minus_is_no_option():
    (trial,) = plan("copy-ntm", "--model.hidden_size", "3", "--model", "memnets.LSTM", "--optimizer.lr=-1").trials()
    words = trial.arguments
    assert words.index("--model") < words.index("--model.hidden_size")
    assert "--optimizer.lr=-1" in words


@given(st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=12))
def test_seeds_are_read_as_they_are_shown(seeds):
    assert list(parse_seeds(show_seeds(seeds))) == seeds


def test_seeds():
    assert parse_seeds("0..9") == tuple(range(10))
    assert parse_seeds("0,3,5..7") == (0, 3, 5, 6, 7)
    assert show_seeds((0, 1, 2, 5, 7, 8)) == "0..2,5,7,8"


def test_values_are_split_outside_brackets():
    assert split_values("[3,6],[4,8]") == ("[3,6]", "[4,8]")
    assert split_values("a, 'b,c' ,{x: 1, y: 2}") == ("a", "'b,c'", "{x: 1, y: 2}")


@given(st.dictionaries(st.sampled_from(["model.slots", "task.bits"]), st.text(max_size=200), min_size=1))
def test_folder_names_are_safe_and_differ_where_points_do(point):
    name = folder_name(point)
    assert len(name) <= 120
    assert not set(name) & set("/\\:*?\"'<>| \n\0")
    changed = {**point, next(iter(point)): next(iter(point.values())) + "/"}
    assert folder_name(changed) != name


@given(
    st.dictionaries(st.sampled_from(["model.slots", "task.bits"]), st.lists(st.text(), min_size=1, unique=True)),
    st.dictionaries(st.sampled_from(["trainer.max_steps", "wandb.group"]), st.text()),
)
def test_a_plan_is_read_as_it_was_written(tmp_path_factory, grid, settings):
    whole = Plan("a", {"copy-ntm": {"training.checks": "2"}, "x": {}}, (0, 1, 2, 5), grid, settings)
    path = tmp_path_factory.mktemp("plan") / "sweep.yaml"
    path.write_text(write_plan(whole))
    assert read_plan(path).trials() == whole.trials()


MISTAKES = {
    "nothing to sweep": ([], "name experiments, a sweep's YAML file, or the directory of a sweep"),
    "unknown experiment": (["copy-nmt"], "unknown experiment 'copy-nmt'; did you mean copy-ntm"),
    "a directory of no sweep": (["."], ". is not the directory of a sweep: it holds no sweep.yaml"),
    "twice": (["copy-ntm", "copy-ntm"], "an experiment is named twice"),
    "seeds that are none": (["copy-ntm", "--seeds", "a"], "seeds are 'a', but must be whole numbers"),
    "seeds backwards": (["copy-ntm", "--seeds", "9..0"], "seeds 9..0 run backwards: write 0..9"),
    "seeds without end": (["copy-ntm", "--seeds", "0..99999999999"], "more than 100,000: take fewer"),
    "a seed too large": (["copy-ntm", "--seeds", f"{2**63}"], f"seed {2**63} is too large"),
    "a seed twice": (["copy-ntm", "--seeds", "1,0..2"], "seed 1 is named twice"),
    "seed as a setting": (["copy-ntm", "--seed", "3"], "seed in the settings is set by the sweep: use --seeds"),
    "runs as a setting": (["copy-ntm", "--runs", "x"], "runs in the settings is set by the sweep"),
    "misspelt section": (
        ["copy-ntm", "--modle.slots", "3"],
        "unknown setting 'modle.slots' in the settings; did you mean model.slots?",
    ),
    "added to a list": (["copy-ntm", "--trainer.callbacks+=a.B"], "a sweep gives whole: --trainer.callbacks '[...]'"),
    "misspelt setting": (["copy-ntm", "--model.slot", "3"], "unknown setting 'model.slot'; did you mean model.slots"),
    "misspelt in the grid": (
        ["copy-ntm", "--grid", "task.bit=1,2"],
        "unknown setting 'task.bit'; did you mean task.bits",
    ),
    "one that a network has not": (
        ["copy-ntm", "copy-lstm", "--grid", "model.slots=1,2"],
        "copy-lstm/model.slots=1: unknown setting 'model.slots'",
    ),
    "a refused value": (["copy-ntm", "--grid", "model.slots=4,0"], "copy-ntm/model.slots=0: slots is 0, but must be"),
    "grid without values": (["copy-ntm", "--grid", "model.slots"], "--grid is 'model.slots', but must be such as"),
    "a value twice": (["copy-ntm", "--grid", "model.slots=4,4"], "grid: model.slots 4 is named twice"),
    "an empty value": (["copy-ntm", "--grid", "model.slots=4,"], "'model.slots=4,', which has an empty value"),
    "no value at all": (["copy-ntm", "--grid", "model.slots="], "has an empty value: write model.slots=V1,V2"),
    "both": (["copy-ntm", "--grid", "model.slots=4", "--model.slots", "3"], "both in the grid and in the settings"),
    "set twice": (
        ["copy-ntm", "--model.slots=4", "--model.slots", "3"],
        "for several values use --grid model.slots=V1",
    ),
    "no value": (["copy-ntm", "--model.slots"], "--model.slots has no value"),
    "no key": (["copy-ntm", "--model.slots", "3", "4"], "'4' belongs to no key"),
    "an engine": (["copy-ntm", "--engine", "slurm"], "invalid choice: 'slurm'"),
    "no process": (["copy-ntm", "--processes", "0"], "0 must be at least 1"),
    "a name that is a path": (["copy-ntm", "--name", "../x"], "name is '../x', but must be made of letters"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line_and_leaves_nothing(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words, message = MISTAKES[name]
    assert main(["sweep", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("memnets: error: sweep: ")
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_an_experiments_name_is_not_in_its_way(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy-ntm").mkdir()
    assert len(commands(capsys, "copy-ntm", "--seeds", "0..1")) == 2
    assert (tmp_path / "sweeps/copy-ntm/sweep.yaml").is_file()
    monkeypatch.chdir(tmp_path / "sweeps")
    assert len(commands(capsys, "copy-ntm", "--seeds", "0..2")) == 3  # that one is a sweep
    assert [path.name for path in (tmp_path / "sweeps").iterdir()] == ["copy-ntm"]


def test_a_users_file_of_the_plans_name_is_not_taken_for_a_sweep(tmp_path, monkeypatch, capsys):
    """Beside a folder configs, as in a clone, the clone itself would become the sweep's directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/copy-ntm.yaml").write_text("task: {}\n")
    (tmp_path / "sweep.yaml").write_text("experiments: [copy-ntm]\n")
    assert len(commands(capsys, "sweep.yaml", "--seeds", "0..1")) == 2
    assert (tmp_path / "sweep.yaml").read_text() == "experiments: [copy-ntm]\n"
    assert (tmp_path / "sweeps/sweep/sweep.yaml").is_file()


@pytest.mark.parametrize("folder", ["file/inside", "/proc/none"])
def test_a_place_that_cannot_be_written(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["sweep", "copy-ntm", "--sweeps", folder, "--engine", "commands"]) == 2
    error = capsys.readouterr().err
    assert f"{folder}/copy-ntm cannot be written (" in error
    assert error.count("\n") == 1


FILES = {
    "unknown key": ("experiments: [copy-ntm]\nseed: 3", "unknown key 'seed'; did you mean seeds?"),
    "no experiments": ("experiments: []", "name at least one experiment"),
    "an experiment of another kind": ("experiments: [3]", "experiments holds 3, which is not a name"),
    "grid of one value": (
        "experiments: [copy-ntm]\ngrid: {model.slots: 4}",
        "grid: model.slots is 4, but must be a list",
    ),
    "nested settings": (
        "experiments: [copy-ntm]\nsettings: {trainer: {max_steps: 3}}",
        "write trainer.max_steps: ... instead of a mapping under trainer",
    ),
    "settings of another kind": ("experiments: [copy-ntm]\nsettings: [3]", "settings is [3], but must be a mapping"),
    "seeds of another kind": ("experiments: [copy-ntm]\nseeds: true", "seeds is True, but must be such as"),
    "no YAML": ("experiments: [", "is not valid YAML"),
}


@pytest.mark.parametrize("name", FILES)
def test_mistake_in_a_file(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text, message = FILES[name]
    (tmp_path / "my.yaml").write_text(text)
    assert main(["sweep", "my.yaml"]) == 2
    error = capsys.readouterr().err
    assert "my.yaml" in error
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["my.yaml"]


def commands(capsys, *words: str) -> list[str]:
    assert main(["sweep", *words, "--engine", "commands"]) == 0
    return capsys.readouterr().out.splitlines()


def test_another_plan_is_refused_unless_it_adds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert len(commands(capsys, "copy-ntm", "--seeds", "0..1")) == 2
    assert len(commands(capsys, "copy-ntm", "--seeds", "0..2")) == 3
    assert len(commands(capsys, "sweeps/copy-ntm")) == 3
    assert len(commands(capsys, "sweeps/copy-ntm", "--seeds", "0..4")) == 5
    before = (tmp_path / "sweeps/copy-ntm/sweep.yaml").read_text()
    for words, message in (
        (["--seeds", "0..3"], "this one leaves out copy-ntm/seed4"),
        (["--seeds", "0..4", "--model.slots", "3"], "was begun with other settings (model.slots)"),
        (["--seeds", "0..4", "--grid", "model.slots=3"], "this one leaves out copy-ntm/seed0"),
    ):
        assert main(["sweep", "copy-ntm", *words, "--engine", "commands"]) == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "sweeps/copy-ntm/sweep.yaml").read_text() == before


def test_an_experiment_that_has_changed_since_is_refused(tmp_path, monkeypatch, capsys):
    """Or half of the trials would be of another experiment than their name says."""
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.yaml"
    mine.write_text("task: {class_path: memnets_tasks.Copy}\n")
    assert len(commands(capsys, "mine.yaml")) == 1
    mine.write_text("task: {class_path: memnets_tasks.RepeatCopy}\n")
    assert main(["sweep", "mine.yaml", "--engine", "commands"]) == 2
    assert "mine.yaml is not what the sweep was begun with" in capsys.readouterr().err
    assert len(commands(capsys, "sweeps/mine")) == 1
    assert "memnets_tasks.Copy" in (tmp_path / "sweeps/mine/configs/mine.yaml").read_text()


def test_a_folder_of_something_else_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps/copy-ntm").mkdir(parents=True)
    (tmp_path / "sweeps/copy-ntm/thesis.tex").write_text("")
    assert main(["sweep", "copy-ntm", "--engine", "commands"]) == 2
    assert "is in use, and not by a sweep" in capsys.readouterr().err


def test_the_stored_plan_is_a_plan_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commands(capsys, "copy-ntm", "--seeds", "0..1", "--grid", "model.slots=4,8", "--sweeps", "mine", "--name", "a")
    content = yaml.safe_load((tmp_path / "mine/a/sweep.yaml").read_text())
    assert content["seeds"] == "0,1"
    assert len(commands(capsys, "mine/a/sweep.yaml")) == 4
    assert SweepDir.open(tmp_path / "mine/a")[1].name == "a"
    with pytest.raises(PlanError, match=r"did you mean .*mine/a"):
        SweepDir.open(tmp_path / "mine")


def test_commands_and_help_need_no_torch_and_no_time(tmp_path):
    program = (
        "import sys; from memnets.cli import main\ntry: main(sys.argv[1:])\nfinally: assert 'torch' not in sys.modules"
    )
    for words in (["--help"], ["copy-ntm", *TINY, "--engine", "commands"]):
        done = subprocess.run(
            [sys.executable, "-c", program, "sweep", *words],
            capture_output=True,
            text=True,
            env=environment(),
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stdout.strip().endswith(f"-P -m memnets trial {tmp_path}/sweeps/copy-ntm copy-ntm/seed0")


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "ray://host", "host:99999"])
def test_an_address_of_ray_that_is_none(address):
    with pytest.raises(PlanError, match=f"RAY_ADDRESS is '{address}', but must be host:port"):
        ray_tune._check_address(address)


def test_an_address_of_ray_where_nothing_answers():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PlanError, match=f"RAY_ADDRESS is {address}, where nothing answers .* unset RAY_ADDRESS"):
            ray_tune._check_address(address)


def test_an_address_of_ray_where_something_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        ray_tune._check_address(f"ray://127.0.0.1:{server.getsockname()[1]}")
    ray_tune._check_address("auto")
