"""The examples of docs/tasks.md work, and its tables leave out no task."""

import re
from pathlib import Path

import memnets_tasks
from memnets_tasks import LANGUAGES, Recognition, StringTask, SymbolTask

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "tasks.md").read_text()


def test_the_examples(capsys):
    names: dict = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    said = re.search(r"print\(task.text\(batch, 0\)\)  # (.*)", PAGE)
    assert said is not None
    assert capsys.readouterr().out.splitlines()[0] == said[1]
    assert names["score"].score == 1


def test_every_task_has_a_row():
    kinds = [getattr(memnets_tasks, name) for name in memnets_tasks.__all__]
    tasks = {k.__name__ for k in kinds if isinstance(k, type) and issubclass(k, StringTask)} - {
        "StringTask",
        "Recognition",
    }
    assert len(tasks) == 15
    rows = set(re.findall(r"^\| `([\w-]+)`", PAGE, re.MULTILINE))
    others = {kind.__name__ for kind in kinds if isinstance(kind, type)} - tasks  # of other tables on the page
    assert rows - others == {*tasks, *LANGUAGES, "S3", "Z60", "A5", "S5"}
    assert issubclass(Recognition, SymbolTask)


def test_chance_is_that_of_the_most_frequent_symbol():
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) % \|$", PAGE, re.MULTILINE)
    for name, chance in rows:
        if not hasattr(memnets_tasks, name):
            continue
        task = getattr(memnets_tasks, name)()
        shares = []
        for length in task.evaluation_lengths:
            batch = task.sample(200, length, memnets_tasks.generator(0, "chance", length))
            shares.append(batch.targets[batch.mask].mean(0))
        share = sum(shares) / len(shares)
        assert abs(float(share.max()) - int(chance) / 100) < 0.04, name
