"""A stranger's ``matplotlibrc`` in the working directory is not read."""

import importlib
import os
from pathlib import Path

import pytest

from memnets.cli import main


@pytest.mark.parametrize("stands", [True, False])
def test_matplotlib_is_first_imported_where_no_stranger_s_settings_are(stands, tmp_path, monkeypatch, capsys):
    (tmp_path / "run").mkdir()
    if stands:
        os.mkfifo(tmp_path / "matplotlibrc")  # which is waited for where it is read
    monkeypatch.chdir(tmp_path)
    seen, really = [], importlib.import_module

    def note(name, package=None):
        if name != "matplotlib":
            return really(name, package)
        seen.append((Path.cwd() == tmp_path, Path("matplotlibrc").exists()))

    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", note)
        assert main(["show", "run"]) == 1  # which is none
    assert seen == ([(False, False)] if stands else [])
    assert Path.cwd() == tmp_path
    capsys.readouterr()
