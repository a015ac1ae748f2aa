"""Directories of strangers that hold an atlas."""

import pytest
import yaml
from strangers import MARK, OWN, hostile, spec

from memnets.cli import main

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
