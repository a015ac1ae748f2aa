"""What importing loads, which part may import which, and that every public name is there."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import memnets

ROOT = Path(memnets.__file__).parent
TASKS = ROOT.parent / "tasks" / "memnets_tasks"

ORDER = (
    {"base"},
    {"ops", "viz"},
    {"memories", "controllers", "layers"},
    {"kernels"},
    {"recurrent"},
    {"attention", "text", "vision"},
    {"decoding"},
    {"models"},
    {"testing", "training"},
    {"experiments"},
    {"cli", "loading"},
    {"__main__"},
)
"""Parts of memnets: each may import itself and what stands in the sets before its own."""

ONLY = {
    "lightning": {"training", "experiments"},
    "wandb": {"training", "experiments"},
    "jsonargparse": {"experiments"},
    "filelock": {"experiments"},
    "rich": {"experiments", "training"},
    "ray": {"experiments"},
    "matplotlib": {"viz"},
    "triton": set(),
    "memnets_tasks": set(),
}
"""Which parts of memnets may import a heavy library, or the tasks."""


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after ``code``."""
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_import_memnets_loads_almost_nothing():
    loaded = loaded_by("import memnets; memnets.__version__; dir(memnets)")
    assert "memnets" in loaded
    assert not loaded & {"torch", "numpy", *ONLY}


def test_using_a_memory_loads_no_training_and_no_plots():
    loaded = loaded_by(
        "from memnets import NTM, trace; import torch; trace(NTM(3, 5)); NTM(3, 5)(torch.zeros(1, 1, 3))"
    )
    assert "torch" in loaded
    assert not loaded & (set(ONLY) - {"triton"} | {"safetensors", "PIL"})  # torch itself looks for triton


IMAGE_LIBRARIES = {"PIL", "fontTools", "lmdb", "sklearn", "torchmetrics"}
"""What the tasks of images load when they draw, decode or score, and not before."""


def test_importing_the_tasks_loads_no_training_and_no_library_of_images():
    names = "TextLines, DigitLines, Scenes, TextLineFiles, CaptionFiles"
    loaded = loaded_by(f"import memnets_tasks; dir(memnets_tasks); from memnets_tasks import Copy, {names}")
    assert not loaded & ((set(ONLY) | IMAGE_LIBRARIES) - {"memnets_tasks", "triton"})


def test_drawing_lines_loads_no_training_and_no_plots():
    """Matplotlib's fonts are found without matplotlib."""
    loaded = loaded_by(
        "import torch; from memnets_tasks import TextLines; TextLines().sample(1, 3, torch.Generator().manual_seed(0))"
    )
    assert {"PIL", "fontTools"} <= loaded
    assert not loaded & ((set(ONLY) | {"lmdb", "sklearn", "torchmetrics"}) - {"memnets_tasks", "triton"})


def test_every_public_name_of_the_tasks_is_there():
    import memnets_tasks
    import memnets_tasks.images

    for module in (memnets_tasks, memnets_tasks.images):
        for name in module.__all__:
            assert getattr(module, name) is not None
            assert name in dir(module)
    with pytest.raises(AttributeError, match="module 'memnets_tasks' has no attribute 'TextLine'"):
        memnets_tasks.TextLine  # noqa: B018


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def targets(path: Path) -> set[str]:
    """Dotted names of all that the file imports, relative ones resolved; "memnets.NTM" becomes its home's name."""
    package = ("memnets", *path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                home = memnets._HOMES.get(alias.name, alias.name)
                found.add(f"memnets.{home}" if base == "memnets" else base)
    return found - {"memnets.__version__"}


FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def rank(part: str) -> int:
    ranks = [n for n, parts in enumerate(ORDER) if part in parts]
    assert ranks, f"memnets/{part} has no place in ORDER of tests/test_imports.py"
    return ranks[0]


def test_the_check_of_imports_sees_them():
    assert {"memnets.training.inspection", "memnets.viz"} <= targets(ROOT / "experiments" / "figures.py")
    assert {"memnets.base.checks", "memnets.ops", "memnets.memories.base"} <= targets(ROOT / "memories" / "ntm.py")
    assert {"memnets.kernels", "torch"} <= targets(ROOT / "recurrent" / "unroll.py")


def test_planning_a_sweep_loads_no_torch():
    loaded = loaded_by(
        "from memnets.experiments.sweeps import file, plan; from memnets.experiments.engines import commands, local"
    )
    assert "yaml" in loaded
    assert not loaded & {"torch", "numpy", "ray", *ONLY} - {"rich", "filelock"}


def test_ray_is_imported_by_one_file_when_it_is_used():
    assert [path.name for path in FILES if "ray" in {t.split(".")[0] for t in targets(path)}] == ["ray_tune.py"]
    assert not loaded_by("import memnets.experiments.engines.ray_tune") & {"ray", "torch"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    part = part_of(path)
    for target in targets(path):
        top, *rest = target.split(".")
        if top != "memnets":
            assert part in ONLY.get(top, {part}), f"{path.name} imports {target}"
        elif rest and rest[0] != part:
            assert rank(rest[0]) < rank(part), (
                f"memnets.{part} ({path.name}) imports memnets.{rest[0]}, against the order of DESIGN"
            )


def test_figures_read_traces_only():
    for path in (ROOT / "viz").rglob("*.py"):
        parts = {target.split(".")[1] for target in targets(path) if target.startswith("memnets.")}
        assert parts <= {"viz", "base"}, path.name


@pytest.mark.skipif(not TASKS.is_dir(), reason="not in a clone")
def test_tasks_need_no_training():
    files = list(TASKS.rglob("*.py"))
    assert files
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert not {name.split(".")[0] for name in names} & {"lightning", "wandb", "matplotlib"}, path.name
            assert not [
                name for name in names if name.startswith(("memnets.training", "memnets.experiments", "memnets.cli"))
            ], path.name


@pytest.mark.parametrize("name", memnets.__all__)
def test_every_public_name_is_there(name):
    assert getattr(memnets, name) is not None
    assert name in dir(memnets)


def test_the_lists_of_public_names_agree():
    """What type checkers see, what ``import *`` gives, and what is found at run time."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body for alias in node.names}
    assert seen == set(memnets.__all__)
    assert set(memnets._HOMES) == set(memnets.__all__) - {"ops", "viz"}


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'memnets' has no attribute 'NTMM'"):
        memnets.NTMM  # noqa: B018


def test_every_figure_is_there():
    import memnets.viz

    assert set(memnets.viz._HOMES) == set(memnets.viz.__all__)
    assert all(getattr(memnets.viz, name) is not None for name in memnets.viz.__all__)
    with pytest.raises(AttributeError, match=r"has no attribute 'figure'"):
        memnets.viz.figure  # noqa: B018
