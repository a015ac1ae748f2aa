"""Runs, sweeps and configurations of strangers: through every command nothing of theirs is executed or imported."""

import contextlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

import memnets
from memnets import viz
from memnets.base.errors import RunError, UsageError
from memnets.cli import main
from memnets.cli.parser import COMMANDS
from memnets.experiments import figures
from memnets.experiments.reports import report
from memnets.experiments.run_dir import RunDir
from memnets.experiments.strict_yaml import load_mapping
from memnets.experiments.sweeps.directory import HEAD
from memnets.experiments.trust import LOGGERS, foreign, names_in, needs_trust
from memnets.training.loggers import read_metrics
from running import TINY, fit

MARK = "executed"


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    """A run that is sound, and was written by this machine's own fit."""
    folder = tmp_path_factory.mktemp("runs")
    return fit(folder, "--trainer.max_steps", "2", "--trainer.val_check_interval", "2")


def shell(place: Path) -> str:
    return f"touch {place / MARK}"


EVIL = """
from pathlib import Path
Path({mark!r}).write_text("imported")
import torch, lightning.pytorch as pl, memnets, memnets_tasks
from lightning.pytorch.loggers import CSVLogger
class Evil(memnets_tasks.Copy): pass
class Net(memnets.NTM): pass
class Call(pl.Callback): pass
class Log(CSVLogger): pass
class Opt(torch.optim.SGD): pass
class Cap(memnets_tasks.Growing): pass
def make(*args, **settings): Path({mark!r}).write_text("called")
"""


def spec(class_path, **arguments):
    return {"class_path": class_path, **({"init_args": arguments} if arguments else {})}


def hostile(place: Path) -> dict:
    """By name, what to put where in the configuration of a sound run."""
    run = shell(place)
    found = {
        "system as optimizer": ("optimizer", spec("os.system", command=run)),
        "posix system as optimizer": ("optimizer", spec("posix.system", command=run)),
        "popen as optimizer": ("optimizer", spec("subprocess.Popen", args=run, shell=True)),
        "getoutput as optimizer": ("optimizer", spec("subprocess.getoutput", cmd=run)),
        "exec as optimizer": ("optimizer", spec("builtins.exec", source=f"open({str(place / MARK)!r}, 'w')")),
        "eval as task": ("task", spec("builtins.eval", source=f"open({str(place / MARK)!r}, 'w')")),
        "system as task": ("task", spec("os.system", command=run)),
        "system as model": ("model", spec("os.system", command=run)),
        "system as curriculum": ("curriculum", spec("os.system", command=run)),
        "system by its name alone": ("optimizer", "os.system"),
        "system through a module of ours": ("optimizer", spec("memnets.base.files.os.system", command=run)),
        "system through torch": ("optimizer", spec("torch.nn.modules.module.os.system", command=run)),
        "partial": ("optimizer", spec("functools.partial", func="os.system")),
        "a loader of pickles": ("optimizer", spec("torch.load", f=str(place / "evil.pt"), weights_only=False)),
        "torch hub": ("model", spec("torch.hub.load", repo_or_dir=str(place), model="Evil", source="local")),
        "a compiler": ("optimizer", spec("torch.utils.cpp_extension.load_inline", name="x", cpp_sources="int f();")),
        "jsonargparse itself": ("optimizer", spec("jsonargparse.set_parsing_settings")),
        "a function of ours": ("optimizer", spec("memnets.experiments.trust.vouch", directory=str(place), files=[])),
        "our command line": ("optimizer", spec("memnets.cli.main", argv=["fit", "copy-ntm"])),
        "our __main__": ("optimizer", spec("memnets.__main__.main")),
        "a writer of ours": ("optimizer", spec("memnets.base.files.write_atomically", files={})),
        "a class of ours of another kind": ("optimizer", spec("memnets.experiments.run_dir.RunDir", path=str(place))),
        "a module as optimizer": ("optimizer", spec("torch.nn.Linear", out_features=3)),
        "own task": ("task", spec("evilmod.Evil")),
        "own model": ("model", spec("evilmod.Net", hidden_size=3)),
        "own optimizer": ("optimizer", spec("evilmod.Opt", lr=0.1)),
        "own function": ("optimizer", spec("evilmod.make")),
        "own curriculum": ("curriculum", spec("evilmod.Cap", start=1, steps=2)),
        "own callback": ("trainer.callbacks", [spec("evilmod.Call")]),
        "own callback by its name alone": ("trainer.callbacks", ["evilmod.Call"]),
        "own logger": ("loggers", [spec("evilmod.Log")]),
        "own logger by its name alone": ("loggers", ["evilmod.Log"]),
        "own strategy": ("trainer.strategy", spec("evilmod.Call")),
        "own profiler": ("trainer.profiler", spec("evilmod.Call")),
        "own plugin": ("trainer.plugins", [spec("evilmod.Call")]),
        "own controller": ("model.init_args.controller", "evilmod.make"),
        "own controller as a class": ("model.init_args.controller", spec("evilmod.Net")),
        "a lambda": ("trainer.callbacks", [spec("lightning.pytorch.callbacks.LambdaCallback", setup="evilmod.make")]),
        "system in a lambda": (
            "trainer.callbacks",
            [spec("lightning.pytorch.callbacks.LambdaCallback", on_fit_start="os.system")],
        ),
        "a checkpoint elsewhere": (
            "trainer.callbacks",
            [spec("lightning.pytorch.callbacks.ModelCheckpoint", dirpath=str(place / MARK))],
        ),
        "a checkpoint above": (
            "trainer.callbacks",
            [spec("lightning.pytorch.callbacks.ModelCheckpoint", dirpath=f"../../{MARK}")],
        ),
        "a logger elsewhere": ("loggers", [spec("lightning.pytorch.loggers.CSVLogger", save_dir=str(place / MARK))]),
        "a package beside": ("task", spec("evilpackage.inner.Evil")),
        "a shadow of a package of ours": ("task", spec("memnets_tasks_evil.Evil")),
    }
    assert len(found) >= 40
    return found


NAMES = tuple(hostile(Path("/nowhere")))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory that a stranger has filled."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    code = EVIL.format(mark=str(tmp_path / MARK))
    for name in ("evilmod", "yaml_extra", "memnets_tasks_evil"):
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "evilpackage").mkdir()
    (tmp_path / "evilpackage" / "__init__.py").write_text(code)
    (tmp_path / "evilpackage" / "inner.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(config: dict, key: str, value) -> None:
    """Set what stands at a key with points in it."""
    *above, last = key.split(".")
    for step in above:
        config = config[step]
    config[last] = value


def poison(victim: Path, place: Path, name: str) -> Path:
    """A copy of the run with one hostile setting; without its result, so that it can be resumed."""
    run = place / "runs" / "stranger"
    shutil.copytree(victim, run)
    (run / "result.json").unlink()
    config = yaml.safe_load((run / "config.yaml").read_text())
    put(config, *hostile(place)[name])
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    return run


def as_sweep(run: Path, place: Path) -> Path:
    """A sweep whose one trial is that run, and whose own files hold the same."""
    sweep = place / "sweeps" / "stranger"
    (sweep / "configs").mkdir(parents=True)
    shutil.copy(run / "config.yaml", sweep / "configs" / "copy-ntm.yaml")
    shutil.copytree(run, sweep / "copy-ntm" / "seed0")
    plan = {"name": "stranger", "experiments": {"copy-ntm": {}}, "seeds": "0,1", "grid": {}, "settings": {}}
    (sweep / "sweep.yaml").write_text(f"# go on with: memnets sweep {sweep}\n{yaml.safe_dump(plan)}")
    return sweep


def every_command(run: Path, sweep: Path) -> list[list[str]]:
    """All that use a run or a sweep; those of an atlas are below."""
    found = [
        ["show", str(run)],
        ["lengths", str(run), "--lengths", "2", "--sequences", "2"],
        ["lengths", str(run), "--data", "gt.txt"],
        ["read", "a.png", "--run", str(run)],
        ["describe", "a.png", "--run", str(run)],
        ["cells", str(run), "a.txt"],
        ["gradients", str(run), "--length", "1", "--sequences", "1"],
        ["save", str(run), "saved"],
        ["export", str(run)],
        ["sample", str(run)],
        ["fit", "copy-ntm", *TINY, "--init_from", str(run), "--runs", "a.txt"],
        ["resume", str(run)],
        ["resume", str(run), "--trainer.max_steps", "3"],
        ["fit", str(run / "config.yaml"), "--trainer.max_steps", "1"],
        ["report", str(sweep)],
        ["trial", str(sweep), "copy-ntm/seed0"],
        ["trial", str(sweep), "copy-ntm/seed1"],
        ["sweep", str(sweep), "--engine", "local", "--processes", "1"],
    ]
    assert {command[0] for command in found} == {*COMMANDS} - {"list", "tasks", "doctor", "compare", "atlas"}
    return found


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures, which take most of the time and are made of what has been loaded by then, are left out."""
    monkeypatch.setattr(figures, "draw_all", lambda *_, **__: {})
    for module in (viz, report):  # which is imported by now, so as not to keep what stands there meanwhile
        monkeypatch.setattr(module, "save_figure", lambda figure, path: Path(path))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_executed_or_imported_by_any_command(name, victim, elsewhere, undrawn, capsys):
    run = poison(victim, elsewhere, name)
    sweep = as_sweep(run, elsewhere)
    for file in ("a.png", "a.txt", "gt.txt"):
        (elsewhere / file).write_bytes(b"a.png x\n")
    trains = {"resume", "fit", "trial", "sweep"}
    key, value = hostile(elsewhere)[name]
    only_trains = not key.startswith(("task", "model")) and not foreign({key: value}) and name != "our command line"
    for command in every_command(run, sweep):
        if only_trains and command[0] not in {*trains, "show"}:
            continue  # they make the task and the model alone, as "our command line" sees
        status = main(command)
        said = capsys.readouterr()
        assert not (elsewhere / MARK).exists(), command
        assert "Traceback" not in said.err
        if command[0] in trains:
            assert status != 0, f"{command} took it"
        if command[0] in trains - {"sweep"}:  # which shows that its trials have failed
            assert said.err.startswith("memnets: error: ")
            assert said.err.count("\n") == 1
    with contextlib.suppress(RunError, UsageError):
        memnets.load(run)
    assert not (elsewhere / MARK).exists()


ATLAS = {
    "protocol": {"state": 64, "steps": 1, "rates": [0.01], "seeds": [1], "validation": 2, "sequences": 2}
    | {"validate_every": 1, "multiples": [1], "batch_size": 2},
    "memories": {"M": spec("memnets.GRU") | {"fit": "hidden_size"}},
    "tasks": {"T": spec("memnets_tasks.Copy", bits=2, max_length=2)},
}


@pytest.mark.parametrize("name", ["system as task", "own task", "own model", "own controller as a class", "torch hub"])
def test_an_atlas_of_a_stranger_executes_and_imports_nothing(name, elsewhere, capsys):
    """With the line that says it is one, or without that, as cells lie beside it."""
    key, value = hostile(elsewhere)[name]
    part = {"tasks": {"T": value}} if key == "task" else {"memories": {"M": value}}
    if "." in key:
        part = {"memories": {"M": spec("memnets.NTM", hidden_size=4, controller=value)}}
    for number, head in enumerate(("# ran with: memnets compare\n", "")):
        atlas = elsewhere / f"atlas{number}"
        (atlas / "M" / "T").mkdir(parents=True)
        (atlas / "M" / "T" / "cell.json").write_text("{}")
        (atlas / "atlas.yaml").write_text(head + yaml.safe_dump(ATLAS | part))
        for command in (["compare", str(atlas / "atlas.yaml"), "--into", "new"], ["atlas", str(atlas)]):
            assert main(command) != 0
            said = capsys.readouterr().err
            assert not (elsewhere / MARK).exists()
            assert said.count("\n") == 1
        assert not (elsewhere / "new").exists()


def test_the_plan_of_ones_own_atlas_stays_trusted_until_it_is_moved(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_atlas_task.py").write_text(OWN)
    task = {"T": spec("own_atlas_task.Task", bits=2, max_length=2)}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(ATLAS | {"tasks": task}))
    assert main(["compare", "mine.yaml"]) == 0
    assert main(["compare", "atlas/mine/atlas.yaml", "--into", "atlas/mine"]) == 0
    (tmp_path / "atlas" / "mine").rename(tmp_path / "moved")
    again = ["compare", "moved/atlas.yaml", "--into", "moved"]
    capsys.readouterr()
    assert main(again) == 2
    assert "names own_atlas_task.Task" in (said := capsys.readouterr().err)
    assert "--trust" in said
    assert main([*again, "--trust"]) == 0
    assert main(again) == 0


SENT = {
    "wandb.mode": ("wandb", {"mode": "online"}),
    "wandb.entity": ("wandb", {"mode": "offline", "entity": "stranger"}),
    "trainer.model_registry": ("trainer", {"model_registry": "stranger/model"}),
    "MLFlowLogger may": ("loggers", [spec("lightning.pytorch.loggers.MLFlowLogger", tracking_uri="sqlite:x")]),
    "$HOME": ("loggers", [spec("lightning.pytorch.loggers.TensorBoardLogger", name="$HOME/x")]),
    "dirpath is": ("trainer", {"callbacks": [spec("lightning.pytorch.callbacks.ModelCheckpoint", dirpath="beside")]}),
    "https://": ("trainer", {"callbacks": [spec("memnets.training.callbacks.Checkpoints", folder="https://x")]}),
    "write_atomically": (
        "trainer",
        {
            "callbacks": [
                spec("lightning.pytorch.callbacks.LambdaCallback", setup="memnets.base.files.write_atomically")
            ]
        },
    ),
    "by config": ("config", "pipe.yaml"),
}


@pytest.mark.parametrize("said", SENT)
def test_a_stranger_s_run_sends_nothing_and_writes_nowhere_else(said, victim, elsewhere, monkeypatch, capsys):
    """Not even where the user has W&B send what is sent: to whom is the user's to say."""
    if said == "wandb.entity":
        monkeypatch.setenv("WANDB_MODE", "online")
    elif said == "wandb.mode":
        monkeypatch.delenv("WANDB_MODE")
    run = RunDir(shutil.copytree(victim, elsewhere / "run"))
    run.result.unlink()
    key, change = SENT[said]
    config = load_mapping(run.config)
    config[key] = config[key] | change if isinstance(change, dict) else change
    run.config.write_text(yaml.safe_dump(config))
    before = sorted(elsewhere.rglob("*"))
    assert main(["resume", str(run.path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(elsewhere.rglob("*")) == before
    if said != "by config":
        assert not run.is_trusted()
        run.vouch()  # as fit does, so that one's own run goes on without a word
        assert run.is_trusted()


def test_settings_of_wandb_in_a_stranger_s_run_are_not_read(victim, elsewhere, capsys):
    run = RunDir(shutil.copytree(victim, elsewhere / "run"))
    run.result.unlink()
    run.wandb.mkdir(exist_ok=True)
    (run.wandb / "settings").write_text("[default]\nbase_url = https://stranger\n")
    assert main(["resume", str(run.path)]) == 2
    assert f"{run.wandb / 'settings'} would tell W&B where to send" in capsys.readouterr().err


def test_trust_is_not_handed_on_to_the_trials_of_a_stranger_s_sweep(victim, elsewhere, capsys):
    """Whose files hold what only looks like a name, while a trial's names code."""
    run = poison(victim, elsewhere, "own task")
    sweep = as_sweep(run, elsewhere)
    config = load_mapping(victim / "config.yaml") | {"experiment": "looks.like"}
    (sweep / "configs" / "copy-ntm.yaml").write_text(yaml.safe_dump(config))
    assert main(["sweep", str(sweep), "--engine", "commands"]) == 0
    said = capsys.readouterr().out
    assert "memnets trial" in said
    assert "--trust" not in said


def test_a_stranger_s_sweep_sends_what_the_user_says_and_not_its_plan(victim, elsewhere, undrawn, monkeypatch, capsys):
    """Neither whether nor to whom."""
    monkeypatch.delenv("WANDB_MODE")
    sweep = as_sweep(victim, elsewhere)
    config, plan = sweep / "configs" / "copy-ntm.yaml", load_mapping(sweep / "sweep.yaml")
    for settings in ({}, {"wandb.mode": "online", "wandb.entity": "stranger"}):
        (sweep / "sweep.yaml").write_text(f"{HEAD}it\n{yaml.safe_dump(plan | {'settings': settings})}")
        for own in ({}, {"mode": "offline", "entity": "stranger"}):
            config.write_text(yaml.safe_dump(load_mapping(victim / "config.yaml") | {"wandb": own}))
            for command in (["trial", str(sweep), "copy-ntm/seed1"], ["sweep", str(sweep), "--retry-failed"]):
                if settings or own:
                    assert main([*command, "--wandb.mode", "online"]) == 2
                    assert "wandb.entity is 'stranger'" in capsys.readouterr().err
    words = ["--engine", "commands", "--retry-failed", "--wandb.mode", "online", "--wandb.entity", "own"]
    assert main(["sweep", str(sweep), *words]) == 0
    assert "copy-ntm/seed1 --wandb.mode online --wandb.entity own\n" in capsys.readouterr().out
    assert main(["trial", str(sweep), "copy-ntm/seed1", "--wandb.mode", "disabled"]) == 0
    assert load_mapping(sweep / "copy-ntm" / "seed1" / "config.yaml")["wandb"]["mode"] == "disabled"


def test_modules_of_the_working_directory_are_not_found_by_commands_that_use_runs_of_others(victim, elsewhere):
    import sys

    run = elsewhere / "sound"
    shutil.copytree(victim, run)
    before = list(sys.path)
    assert main(["lengths", str(run), "--lengths", "2", "--sequences", "2"]) == 0
    assert sys.path == before


OWN = """
import memnets, memnets_tasks
class Task(memnets_tasks.Copy):
    pass
"""
TRAIN = ["--training.pictures_every", "0", "--training.batch_size", "2", "--training.validation_size", "2"]
TRAIN += ["--training.evaluation_sequences", "1", "--trainer.max_steps", "2", "--trainer.val_check_interval", "2"]


def test_a_file_that_is_given_to_fit_names_what_it_likes_and_its_run_stays_trusted(tmp_path, monkeypatch, capsys):
    """A module beside the YAML file is found, though it is not in the working directory."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    project, work = tmp_path / "project", tmp_path / "work"
    project.mkdir()
    work.mkdir()
    (project / "beside_it.py").write_text(OWN)
    settings = {
        "task": spec("beside_it.Task", bits=2, max_length=2, evaluation_lengths=[2]),
        "model": spec("memnets.NTM", hidden_size=4, slots=4, width=3),
        "optimizer": spec("torch.optim.SGD", lr=0.1),
    }
    (project / "mine.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(work)
    assert main(["fit", str(project / "mine.yaml"), *TRAIN, "--run_id", "a"]) == 0
    run = work / "runs" / "mine" / "a"
    assert main(["lengths", str(run)]) == 0
    moved = run.rename(tmp_path / "moved")
    capsys.readouterr()
    assert main(["lengths", str(moved)]) == 2
    assert "names beside_it.Task" in (said := capsys.readouterr().err)
    assert "--trust" in said
    assert main(["lengths", str(moved), "--trust"]) == 0
    assert main(["lengths", str(moved)]) == 0  # asked for once
    config = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(config.replace("lr: 0.1", "lr: 0.2"))
    assert main(["lengths", str(moved)]) == 0  # it names nothing new
    (moved / "config.yaml").write_text(config.replace("beside_it.Task", "beside_it.Other"))
    assert main(["lengths", str(moved)]) == 2


def test_the_mark_is_not_in_the_directory(tmp_path, monkeypatch):
    """And so cannot come along with it."""
    from memnets.experiments.trust import is_vouched, vouch

    monkeypatch.setenv("MEMNETS_STATE", str(tmp_path / "state"))
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("a: b.c")
    vouch(run, [{"task": "b.c"}])
    assert [path.name for path in run.iterdir()] == ["config.yaml"]
    assert is_vouched(run, [{"task": "b.c"}])
    assert not is_vouched(run, [{"task": "b.d"}])
    monkeypatch.setenv("MEMNETS_STATE", str(tmp_path / "another"))
    assert not is_vouched(run, [{"task": "b.c"}])


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


def test_what_counts_as_a_name_of_code():
    ours = {"task": spec("memnets_tasks.Copy"), "model": {"init_args": {"path": "data/gt.txt"}}}
    assert foreign(ours) == []
    assert foreign({"settings": {"model": "mine.Net"}, "grid": {"task": ["memnets_tasks.Copy", "own.T"]}}) == [
        "mine.Net",
        "own.T",
    ]
    assert foreign({"settings": {"model.cell": json.dumps(spec("mine.Cell"))}}) == ["mine.Cell"]
    assert names_in({"model": {"init_args": {"cell": "mine.Cell"}}}) == {"mine.Cell"}
    assert names_in({"callbacks": "[a.B, torch.nn.Linear]"}) == {"a.B"}
    assert names_in({"task": spec("memnets_tasks.Copy")}) == set()


def test_what_needs_trust_beside_names_of_code():
    assert needs_trust({"wandb": {"mode": "offline", "project": "p"}, "loggers": list(LOGGERS)}) == set()
    assert needs_trust({"settings": {"wandb.mode": "online"}}) == {"mode 'online'"}
    assert needs_trust({"wandb": {"mode": None, "entity": "team"}}) == {"entity 'team'"}
    assert needs_trust({"trainer": {"model_registry": "a/b"}}) == {"model_registry 'a/b'"}


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


def test_a_damaged_folder_to_start_from_is_one_line(tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes(b"")
    for config in ("[]", "null", "[" * 100_000):
        (tmp_path / "config.json").write_text(config)
        assert main(["fit", "copy-ntm", "--init_from", str(tmp_path), "--runs", str(tmp_path / "runs")]) == 2
        said = capsys.readouterr().err
        assert "is damaged: config.json" in said
        assert said.count("\n") == 1


@pytest.mark.parametrize("what", ["a number for a name", "a text", "sparse", "no numbers", "integers", "complex"])
def test_a_checkpoint_with_other_than_the_model_s_tensors_is_one_line(what, victim, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = RunDir(shutil.copytree(victim, tmp_path / "runs" / "x"))
    checkpoint = run.read_checkpoint()
    name, weight = next(item for item in checkpoint["state_dict"].items() if item[0].startswith("model."))
    wrong = {"a text": "x", "sparse": weight.to_sparse(), "no numbers": weight.to("meta"), "integers": weight.long(),
             "complex": weight.to(torch.complex64), "a number for a name": weight}[what]  # fmt: skip
    checkpoint["state_dict"][5 if what == "a number for a name" else name] = wrong
    torch.save(checkpoint, run.last)
    run.result.unlink()
    for command in (["show"], ["resume"]):
        assert main([*command, str(run.path)]) == 1
        message = capsys.readouterr().err
        assert "last.ckpt" in message
        assert "damaged" in message
        assert message.count("\n") == 1


def test_a_checkpoint_with_another_training_than_was_is_one_line(victim, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    run.result.unlink()
    sound = run.read_checkpoint()
    wrong = {"optimizer_states": [{}], "callbacks": {"Pictures": "x"}, "memnets": 5, "pytorch-lightning_version": "x"}
    for name, value in wrong.items():
        torch.save(sound | {name: value}, run.last)
        assert main(["resume", str(run.path), "--trainer.max_steps", "3"]) == 1
        message = capsys.readouterr().err
        assert "last.ckpt cannot be" in message
        assert "damaged" in message
        assert "starts from the beginning" in message
        assert message.count("\n") == 1


def test_a_checkpoint_that_unpacks_to_more_than_it_has_is_one_line(victim, tmp_path):
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    with zipfile.ZipFile(run.last) as sound, zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in sound.namelist():
            bomb.writestr(name, sound.read(name))
    (tmp_path / "bomb").replace(run.last)
    with pytest.raises(RunError, match=r"last\.ckpt cannot be read as a checkpoint"):
        run.read_checkpoint()


def test_a_checkpoint_that_no_memory_holds_is_one_line(victim, tmp_path):
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    os.truncate(run.last, 1 << 43)  # of which next to nothing is stored
    with pytest.raises(RunError, match=r"last\.ckpt cannot be read as a checkpoint") as error:
        run.read_checkpoint()
    assert "8192 GiB" in str(error.value.__cause__)


SIZES = {
    "model.init_args.hidden_size": [10**12, 10**6],
    "model.init_args.num_layers": [10**7],
    "task.init_args.bits": [10**12],
    "curriculum": [spec("memnets_tasks.Growing", start=10**12, steps=2)],
    "trainer.strategy": ["ddp_spawn"],
}


def test_sizes_that_nothing_has_room_for_are_one_line(victim, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    run.result.unlink()
    for key, values in SIZES.items():
        for value in values:
            config = load_mapping(victim / "config.yaml")
            put(config, key, value)
            run.config.write_text(yaml.safe_dump(config))
            trains = not key.startswith(("task", "model"))
            for command in (["resume"], ["lengths"])[: 1 if trains else 2]:
                assert main([*command, str(run.path)]) == 2
                assert capsys.readouterr().err.count("\n") == 1


def test_numbers_without_an_end_are_one_line(victim, tmp_path):
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    os.truncate(run.metrics, 1 << 40)
    with pytest.raises(RunError, match=r"metrics\.csv is damaged .* larger than"):
        read_metrics(run.metrics)


def test_aliases_of_aliases_are_counted_before_they_are_written_out(tmp_path):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(UsageError, match=r"bomb\.yaml holds over 1000000 values"):
        load_mapping(tmp_path / "bomb.yaml")
