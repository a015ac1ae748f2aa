"""The wheel holds everything, and works from an empty directory."""

import subprocess
import sys
import zipfile

import pytest

from running import ROOT, environment, result


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


def test_wheel_holds_every_source_file_and_config(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    kinds = {".py", ".typed", ".c", ".h"}
    wanted = {
        str(path.relative_to(folder))
        for folder, package in ((ROOT, "memnets"), (ROOT / "tasks", "memnets_tasks"))
        for path in (folder / package).rglob("*")
        if path.suffix in kinds and "__pycache__" not in path.parts
    }
    wanted |= {f"memnets/{path.relative_to(ROOT)}" for path in (ROOT / "configs").glob("*/*.yaml")}
    assert wanted <= names
    assert not any(name.startswith(("tests/", "configs/", "tasks/")) for name in names)


def test_installed_wheel_lists_and_trains_in_an_empty_directory(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(site), str(wheel)]
    assert subprocess.run(install).returncode == 0
    settings = environment(PYTHONPATH=str(site), WANDB_MODE="offline")

    def memnets(*arguments):
        command = [sys.executable, "-m", "memnets", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=settings, cwd=empty)

    where = [sys.executable, "-c", "import memnets, memnets_tasks; print(memnets.__file__, memnets_tasks.__file__)"]
    places = subprocess.run(where, capture_output=True, text=True, env=settings, cwd=empty).stdout.split()
    assert all(place.startswith(str(site)) for place in places)
    assert "copy-ntm " in memnets("list").stdout
    quick = ["--trainer.max_steps", "20", "--task.evaluation_lengths", "[3]", "--training.evaluation_sequences", "2"]
    done = memnets("fit", "copy-ntm", *quick, "--run_id", "a")
    assert done.returncode == 0, done.stderr
    assert result(empty / "runs" / "copy-ntm" / "a")["steps"] == 20
