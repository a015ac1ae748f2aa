"""Hostile settings, and runs and sweeps of strangers that hold them."""

import shutil
from pathlib import Path

import yaml

MARK = "executed"
"""Of a file that is there where something of a stranger's was."""


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


OWN = """
import memnets, memnets_tasks
class Task(memnets_tasks.Copy):
    pass
"""
"""A module of a user's own."""
