"""The examples of docs/reading.md, sweeps.md and atlas.md work; those of docs/extending.md have a file of their own."""

import re
import shlex

from memnets.cli import main
from running import ROOT


def _run(number: int, page: str) -> dict:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)[number]
    names: dict = {"__name__": "docs"}
    exec(code, names)
    return names


def test_the_sweeps(tmp_path, monkeypatch, capsys):
    """Each command of the page, in its order, up to the training."""
    text = (ROOT / "docs" / "sweeps.md").read_text()
    (tmp_path / "sizes.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)[0].splitlines()
    counts = []
    for words in (shlex.split(line.split("  #")[0])[1:] for line in lines):
        if words[0] == "sweep":
            words += ["--engine", "commands"]
        assert main(words) == 0
        counts.append(capsys.readouterr().out.count("memnets trial"))
    assert counts == [20, 10, 80, 80, 160, 0]


def test_the_reader():
    names = _run(0, "reading.md")
    assert names["output"].logits.shape == (2, 4, 11)
    assert names["reading"].weights.shape[1] == 20


def test_the_captioners():
    names = _run(1, "reading.md")
    assert len(names["captions"]) == 5
    assert names["captions"][2].weights.shape[1:] == (7, 7)
    assert not any(part.training for part in names["backbone"].modules())


def test_the_atlas(tmp_path, monkeypatch, capsys):
    """The list of one's own, with the memory of docs/extending.md, for three steps a training."""
    text = (ROOT / "docs" / "atlas.md").read_text()
    plan = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0].replace("seconds: 2", "seconds: 60\n  steps: 3")
    plan = plan.replace("[1, 2, 3]", "[1]").replace("my_lab.", "my_atlas_lab.")
    (tmp_path / "my-atlas.yaml").write_text(plan)
    extending = (ROOT / "docs" / "extending.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", extending, re.DOTALL) if "class Queue(" in block)
    (tmp_path / "my_atlas_lab.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)[0].splitlines()
    for words in (shlex.split(line.split("  #")[0])[1:] for line in lines[3:]):
        assert main(words) == 0
    assert "2 of 2 cells are done" in capsys.readouterr().out
    assert "**Queue**, with " in (tmp_path / "docs" / "my-page" / "README.md").read_text()
