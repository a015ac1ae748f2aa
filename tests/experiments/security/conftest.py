"""A sound run, and a working directory that a stranger has filled."""

import contextlib
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from strangers import EVIL, MARK

from memnets import viz
from memnets.cli import main
from memnets.experiments import figures
from memnets.experiments.engines import local
from memnets.experiments.reports import report
from running import fit


@pytest.fixture(scope="session")
def victim(tmp_path_factory):
    """A run that is sound, of this machine's own fit, for which nothing is compiled; tests work on copies."""
    folder = tmp_path_factory.mktemp("runs")
    steps = ("--trainer.max_steps", "2", "--trainer.val_check_interval", "2")
    return fit(folder, *steps, "--model.backend", "reference")


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


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures, which take most of the time and are made of what has been loaded by then, are left out."""
    monkeypatch.setattr(figures, "draw_all", lambda *_, **__: {})
    for module in (viz, report):  # which is imported by now, so as not to keep what stands there meanwhile
        monkeypatch.setattr(module, "save_figure", lambda figure, path: Path(path))


class InThisProcess:
    """Stands for ``subprocess.Popen`` of a trial, which would import everything anew."""

    def __init__(self, command, *, stdout, **_):
        words = command[command.index("memnets") + 1 :]
        with open(stdout.name, "a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            self.returncode = main(words)

    def poll(self):
        return self.returncode


@pytest.fixture
def in_this_process(monkeypatch):
    """Sweeps run their trials here."""
    instead = SimpleNamespace(Popen=InThisProcess, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
    monkeypatch.setattr(local, "subprocess", instead)
