"""Scores of tasks whose answer is right or wrong at each step."""

import pytest
import torch

from memnets_tasks import MQAR, InductionHeads, SelectiveCopying
from solver_cases import outputs_for, seeded


def test_scores_by_hand():
    task = SelectiveCopying(tokens=4, min_length=9, max_length=9)
    batch = task.sample(2, 9, seeded())
    right = torch.ones_like(batch.mask)
    right[1, -1] = False
    right[1, 0] = False  # which is not scored
    outputs = outputs_for(batch, 16, right)
    assert task.errors(outputs, batch).tolist() == [0, 1]
    scores = {name: float(value) for name, value in task.scores(outputs, batch).items()}
    assert scores == {"accuracy": 7 / 8, "sequence_accuracy": 0.5}


def test_a_corpus_weighs_steps_and_not_batches():
    task = MQAR(vocabulary=300, slices=[(16, 4), (8, 1)], shares=[1, 1], test_slices=[(16, 4)])
    long, short = task.sample(3, 16, seeded()), task.sample(2, 8, seeded())
    pairs = [
        (outputs_for(long, 300, torch.ones_like(long.mask)), long),
        (outputs_for(short, 300, torch.zeros_like(short.mask)), short),
    ]
    scores = {name: float(value) for name, value in task.corpus_scores(iter(pairs)).items()}
    assert scores["accuracy"] == pytest.approx(12 / 14)
    assert scores["sequence_accuracy"] == pytest.approx(3 / 5)
    assert (scores["accuracy_length16_pairs4"], scores["accuracy_length8_pairs1"]) == (1, 0)
    assert torch.tensor(float(task.scores(*pairs[1])["accuracy_length16_pairs4"])).isnan()
    with pytest.raises(ValueError, match="give at least one pair"):
        task.corpus_scores([])


def test_the_loss_is_the_mean_over_scored_steps_alone():
    task = InductionHeads(vocabulary=5)
    batch = task.sample(6, torch.tensor([3, 4, 9, 5, 5, 20]), seeded())
    outputs = torch.randn(*batch.mask.shape, 5, generator=seeded(1))
    by_hand = [-outputs[b, n - 1].log_softmax(-1)[batch.targets[b, n - 1]] for b, n in enumerate(batch.lengths)]
    assert float(task.loss(outputs, batch)) == pytest.approx(float(sum(by_hand)) / 6)
    outputs[~batch.mask] = torch.nan
    assert torch.isfinite(task.loss(outputs, batch))


def test_a_nan_is_wrong():
    task = InductionHeads(vocabulary=5)
    batch = task.sample(4, 9, seeded())
    outputs = torch.full((*batch.mask.shape, 5), torch.nan)
    assert task.errors(outputs, batch).tolist() == [1] * 4


def test_outputs_of_another_size_are_named():
    task = InductionHeads(vocabulary=5)
    batch = task.sample(4, 9, seeded())
    with pytest.raises(ValueError, match=r"shape \(4, 9, 6\), but InductionHeads needs \(4, 9, 5\)"):
        task.loss(torch.zeros(4, 9, 6), batch)
