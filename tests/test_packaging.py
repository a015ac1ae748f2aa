"""The wheel holds everything, and works from an empty directory."""

import email
import re
import subprocess
import sys
import zipfile

import pytest

from memnets.base.extras import EXTRAS
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


def test_a_plain_install_brings_three_libraries_and_the_extras_what_they_say(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
    needs = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []
    plain = {re.split(r"[^\w-]", need)[0] for need in needs if "extra ==" not in need}
    assert plain == {"torch", "numpy", "safetensors"}
    named = {"PIL": "pillow", "yaml": "pyyaml", "skimage": "scikit-image", "sklearn": "scikit-learn"}
    for library, extra in EXTRAS.items():
        wanted = re.compile(rf"{named.get(library, library)}\b.*extra == '{extra}'", re.IGNORECASE)
        brought = any(wanted.match(need) for need in needs)
        assert brought or (library, extra) == ("PIL", "images"), f"memnets[{extra}] does not bring {library}"


CORE = """
import sys
from memnets.base.extras import EXTRAS
for name in set(EXTRAS) - {"filelock"}:  # which torch may look for
    sys.modules[name] = None
import torch, memnets, memnets_tasks
from memnets import *
from memnets.training.step import TrainingStep
from memnets_tasks import *
task = memnets_tasks.Copy(bits=2, max_length=2)
model = memnets.NTM(task.input_size, 4, output_size=2, slots=4, width=3, backend="reference")
TrainingStep(model, task, seed=0, batch_size=2)
model.save_pretrained(sys.argv[1])
memnets.NTM.from_pretrained(sys.argv[1])
from memnets.cli import main
assert main(["list"]) == 0
assert main(["doctor"]) == 0
print("errors", file=sys.stderr)
assert main(["fit", "copy-ntm"]) == 1
assert main(["report", "."]) == 1
random = torch.Generator().manual_seed(0)
for use in (lambda: memnets.load("runs/a"), lambda: memnets.viz.save_figure, lambda: memnets.training.SequenceLearner,
            lambda: memnets_tasks.TextLines().sample(1, 3, random), lambda: memnets_tasks.DigitLines()):
    try:
        use()
    except ImportError as error:
        print(error, file=sys.stderr)
"""


def test_the_core_works_without_the_extras_and_names_them(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CORE, str(tmp_path / "saved")], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr
    errors = done.stderr.partition("errors\n")[2].splitlines()
    extras = ["train", "train", "train", "figures", "train", "figures", "images"]
    assert [re.findall(r'pip install "memnets\[(\w+)\]"', line) for line in errors] == [[extra] for extra in extras]


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
