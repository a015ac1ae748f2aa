"""``memnets tasks``: the list, and examples of one."""

import pytest
from PIL import Image

import memnets_tasks
from memnets.cli import main
from memnets_tasks import generator


def test_every_task_has_a_line(capsys):
    assert main(["tasks"]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert {"Copy", "MQAR", "ParityCheck", "GraphTraversal", "BAbI", "TextLines", "Interruption"} <= set(lines)
    assert all(getattr(memnets_tasks, name) for name in lines)
    assert min(len(text.split()) for text in lines.values()) > 3


def test_examples_are_those_of_the_task(capsys):
    assert main(["tasks", "Copy", "--task.bits", "3", "--length", "4", "--examples", "2", "--seed", "5"]) == 0
    head, sizes, *examples = capsys.readouterr().out.splitlines()
    assert head.startswith("Copy: ")
    assert "1 to 20 vectors" in sizes
    assert "4 inputs; 3 outputs" in sizes
    random, task = generator(5, "example", 0), memnets_tasks.Copy(bits=3)
    batch = task.sample(2, 4, random)
    assert examples == [task.text(batch, 0), task.text(batch, 1)]


@pytest.mark.parametrize("name", ["Copy", "InductionHeads", "Adding", "DigitLines"])
def test_examples_are_drawn(name, tmp_path, capsys):
    """Bits, tokens, numbers and images."""
    assert main(["tasks", name, "--save", str(tmp_path / "a.png")]) == 0
    assert str(tmp_path / "a.png") in capsys.readouterr().out
    with Image.open(tmp_path / "a.png") as image:
        assert len(image.convert("L").resize((60, 60)).getcolors()) > 4


def test_a_task_of_ones_own(tmp_path, monkeypatch, capsys):
    (tmp_path / "own_tasks.py").write_text(
        "import memnets_tasks\n\n\nclass Mine(memnets_tasks.StringTask):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["tasks", "own_tasks.Mine"]) == 2
    assert "own_tasks.Mine lacks draw: define them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Coppy"], "unknown task 'Coppy'; did you mean Copy"),
        (["Copy", "--task.bit", "3"], "unknown setting 'task.bit'; did you mean task.bits"),
        (["Copy", "--task.bits", "0"], "bits is 0"),
        (["AssociativeRecall", "--length", "1"], "length is 1; give at least 2 items"),
        (["Copy", "--save", "a.txt"], "figures are saved as .png"),
        (["TableQuestions", "--save", "a.png"], "has neither images nor inputs to draw: leave --save out"),
        (["BAbI"], "cannot be made without --task.folder"),
        (["--task.bits=3"], "unrecognized arguments: --task.bits"),
    ],
)
def test_mistakes_are_one_line(words, message, capsys):
    assert main(["tasks", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not said.out
