"""Questions about tables: the answer is what the words ask, read here by rules of their own."""

import re
from types import SimpleNamespace

import pytest
import torch

from memnets.testing import check_task
from memnets_tasks import TableQuestions, generator
from memnets_tasks.tables import KINDS


def answers_of(batch):
    return SimpleNamespace(answers=batch.answers)


def read(text: str, columns: dict[str, list[int]]) -> int:
    """The answer to a question in words."""

    def holds(condition: str, row: int) -> bool:
        name, way, number = re.fullmatch(r"(\w+) (greater than|above|less than|below) (-?\d+)", condition).groups()
        cell = columns[name][row]
        return cell > int(number) if way in ("greater than", "above") else cell < int(number)

    asked, _, where = text.partition(" where ")
    rows = range(len(next(iter(columns.values()))))
    if where:
        join = any if " or " in where else all
        rows = [row for row in rows if join(holds(part, row) for part in re.split(" and | or ", where))]
    if asked in ("the number of rows", "how many rows"):
        return len(rows)
    totals = [
        sum(columns[re.fullmatch(r"the (sum|total) of (\w+)", part).group(2)][row] for row in rows)
        for part in asked.split(" minus ")
    ]
    return totals[0] - sum(totals[1:])


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_what_the_words_ask(kind):
    task = TableQuestions(columns=4, largest=20, kinds=[kind])
    batch = task.sample(40, torch.tensor([3, 9, 1, 5]).repeat(10), generator(0, "test", 0))
    for b in range(len(batch)):
        table = batch.tables[b, : int(batch.rows[b])].long()
        columns = {name: table[:, n].tolist() for n, name in enumerate(task.names(batch, b))}
        assert float(batch.answers[b]) == read(task.question(batch, b), columns), task.text(batch, b)
        assert not batch.tables[b, int(batch.rows[b]) :].any()
    assert set(batch.kinds) == {kind}
    assert len(set(batch.answers.tolist())) > 5 or kind == "count"


def test_it_keeps_the_contract():
    task = TableQuestions(evaluation_lengths=(12, 20))
    check_task(task, predictions=answers_of)
    batch = task.sample(200, 12, generator(0, "test", 0))
    assert set(batch.kinds) == set(KINDS[:4]) == set(task.kinds)
    assert int(batch.questions.max()) < task.vocabulary
    sums = batch.answers[torch.tensor([kind == "sum" for kind in batch.kinds])]
    assert float(sums.std()) == pytest.approx(float(batch.spreads.max()), rel=0.5)
    assert task.figures(batch, answers_of(batch), None) == {}


def test_scores_by_kind():
    task = TableQuestions(kinds=["sum", "count"])
    batch = task.sample(50, 5, generator(0, "test", 0))
    counts = torch.tensor([kind == "count" for kind in batch.kinds])
    nearly = SimpleNamespace(answers=batch.answers + torch.where(counts, 0.4, 0.6))
    scores = task.scores(nearly, batch)
    assert scores["count"] == 1
    assert scores["sum"] == 0
    assert float(scores["exact_match"]) == pytest.approx(float(counts.float().mean()))
    assert task.errors(nearly, batch).tolist() == (~counts).float().tolist()
    with pytest.raises(ValueError, match="49 answers for 50 questions"):
        task.errors(SimpleNamespace(answers=batch.answers[1:]), batch)
    with pytest.raises(ValueError, match="nothing to score"):
        task.corpus_scores([])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": 7}, "columns is 7; give at most 6"),
        ({"columns": 1}, "columns is 1; give a whole number of at least 2"),
        ({"largest": 2}, "largest is 2"),
        ({"kinds": ["mean"]}, "kinds holds 'mean'; give some of sum, count"),
        ({"kinds": []}, "kinds holds 'nothing'"),
        ({"max_length": 2}, "max_length is 2, below min_length 4"),
    ],
)
def test_what_is_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        TableQuestions(**settings)
