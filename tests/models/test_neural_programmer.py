"""Programs found from answers: padding, exactness on longer tables, cells of any kind, drawing, and bad input."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets
from memnets.training.inspection import draw_all
from memnets_tasks import Copy, TableQuestions, generator

TASK = TableQuestions()


def model_of(cell="rnn", task=TASK, **settings):
    torch.manual_seed(0)
    return memnets.NeuralProgrammer(
        task.vocabulary, **{"encoder": memnets.GRU(8, 12), "cell": cell, "hidden_size": 10, **settings}
    )


def drawn(task=TASK, length=5, count=6, seed=0):
    return task.sample(count, length, generator(seed, "test", 0))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "ntm"])
def test_a_question_is_answered_as_if_alone(cell):
    model, batch = model_of(cell).eval(), drawn(length=torch.tensor([4, 9, 2, 7, 1, 5]))
    together = model(batch)
    assert_close(together.operations.sum(2), torch.ones(6, 4))
    assert_close(together.columns.sum(2), torch.ones(6, 4))
    assert_close(together.pivots.sum(2)[:, 0], (batch.places >= 0).any(1).float())
    for b in range(len(batch)):
        alone = batch.shard(b, len(batch))
        count, words = int(alone.rows), int(alone.question_lengths)
        alone = dataclasses.replace(alone, tables=alone.tables[:, :count], questions=alone.questions[:, :words])
        assert_close(model(alone).answers, together.answers[b : b + 1])
        assert not together.rows[b, :, count:].any()
    hard = model.predict(batch)
    assert set(hard.operations.unique().tolist()) <= {0, 1}
    assert torch.equal(hard.answers, hard.answers.round())


def test_it_is_exact_on_longer_tables_once_learnt():
    task = TableQuestions(kinds=["count where"], max_length=8)
    model = model_of(task=task, encoder=memnets.GRU(16, 32), hidden_size=24, exploration_steps=150)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(200):
        random = generator(0, "train", step)
        batch = task.sample(32, task.sample_lengths(32, random), random)
        made = model.training_outputs(batch)
        optimizer.zero_grad()
        (made.outputs.loss + made.auxiliary_loss).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    long = drawn(task, 200, 100, seed=1)
    assert task.scores(model.predict(long), long)["exact_match"] > 0.95
    program = model.predict(long)
    last = {program.names[n] for n in program.operations[:, -1].argmax(1).tolist()}
    assert last == {"count"}
    assert int(model.trained) == 200


def test_choices_are_kept_open_at_first():
    model, batch = model_of(exploration=0.5, exploration_steps=2), drawn()
    bonuses = [float(model.training_outputs(batch).auxiliary_loss.detach()) for _ in range(5)]
    assert bonuses[0] == pytest.approx(2 * bonuses[1])
    assert bonuses[0] < 0 == bonuses[2]
    assert bonuses[3] == bonuses[4] == pytest.approx(-0.2 * bonuses[0])
    openness = model.training_outputs(batch).numbers["openness"]
    assert bonuses[0] == pytest.approx(-0.5 * float(openness))
    assert model.eval().training_outputs(batch).auxiliary_loss is None
    other = model_of()
    other.adopt_state(model.state_dict(), {})
    assert int(other.trained) == 0
    assert torch.equal(other.operations, model.operations)


def test_saved_and_drawn(tmp_path):
    model, batch = model_of().eval(), drawn()
    model.training_outputs(batch)
    again = memnets.NeuralProgrammer.from_pretrained(model.save_pretrained(tmp_path), encoder=memnets.GRU(8, 12))
    assert_close(again(batch).answers, model(batch).answers)
    (figure,) = draw_all(model, TASK).values()
    assert len(figure.axes) == 6  # operations, their bar, and a table a step
    assert TASK.question(drawn(), 0).split()[0] in figure.get_suptitle()


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: model_of(encoder=nn.GRU(2, 2)), TypeError, "encoder is a GRU, but must be a SequenceModule"),
        (lambda: model_of(steps=0), ValueError, "steps is 0"),
        (lambda: model_of(delta=0.0), ValueError, "delta is 0.0, but must be above 0"),
        (lambda: model_of(exploration=-1.0), ValueError, "exploration is -1.0"),
        (lambda: model_of(cell="gur"), ValueError, "cell is 'gur', but must be one of"),
        (lambda: model_of().check_task(Copy()), ValueError, "needs a task of questions about tables, but Copy"),
        (lambda: memnets.NeuralProgrammer(5, encoder=memnets.GRU(2, 2)).check_task(TASK), ValueError, "vocabulary is"),
    ],
)
def test_what_does_not_fit_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
