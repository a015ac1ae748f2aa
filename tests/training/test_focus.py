"""The penalty on soft read weightings: what it is, when it counts, and that it makes them sharp."""

from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from learners import CHECKS, learner, trainer
from memnets import LSTM, Transformer, trace
from memnets.training import SequenceLearner, callbacks
from memnets.training.focus import Focus, check_focus, has_read_heads, read_weightings, softness
from memnets_tasks import Copy, generator

TASK = Copy(bits=3, max_length=6)


def draw(count=5, seed=0):
    random = generator(seed, "focus", 0)
    return TASK.sample(count, TASK.sample_lengths(count, random), random)


def test_softness_is_the_chance_that_two_draws_are_of_different_slots():
    weights = torch.rand(3, 2, 4, generator=generator(0, "weights", 0), dtype=torch.float64)
    expected = np.zeros((3, 2))
    for b, h in np.ndindex(3, 2):
        for i in range(4):
            for j in range(4):
                expected[b, h] += float(weights[b, h, i] * weights[b, h, j]) if i != j else 0.0
    assert np.allclose(softness(weights), expected)
    assert softness(torch.tensor([[0.0, 1.0], [0.5, 0.5], [0.0, 0.0]])).tolist() == [0, 0.5, 0]


def test_each_sequence_is_cut_at_a_step_of_its_own_any_of_those_it_has():
    batch = TASK.sample(300, 2, generator(0, "focus", 0))  # of five steps
    cut = Focus(1.0).cut(batch, generator(0, "cut", 0))
    assert {*cut.lengths.tolist()} == {1, 2, 3, 4, 5}
    assert cut.inputs.shape[1] == 5
    again, other = (Focus(1.0).cut(batch, generator(seed, "cut", 0)).lengths for seed in (0, 1))
    assert torch.equal(cut.lengths, again)
    assert not torch.equal(cut.lengths, other)


def test_the_penalty_is_the_mean_of_all_read_heads_at_those_steps():
    model = learner().model
    cut = Focus(1.0).cut(draw(), generator(0, "cut", 0))
    with trace(model) as traced:
        model(cut.inputs)
    last = (torch.arange(5), cut.lengths - 1)
    expected = softness(traced["read_weights"][last]).mean()
    penalty = Focus(0.25).penalty(model, cut)
    assert float(penalty.detach()) == pytest.approx(0.25 * float(expected), rel=1e-5)
    shares = [float(Focus(0.25).penalty(model, cut.shard(rank, 5)).detach()) for rank in range(5)]
    assert sum(shares) / 5 == pytest.approx(float(penalty.detach()), rel=1e-5), "the mean over processes"


def test_it_grows_while_what_is_solved_is_annealed_and_makes_weightings_sharp():
    """At a rate that falls to nothing, twice from the same weights."""
    softnesses, counted = {}, []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module: Any, batch, batch_idx):
            if pl_module.train_on_batch.focus is not None:
                counted.append(pl_module.train_on_batch.focus.share)

    for weight in (0.0, 1.0):
        work = learner(focus=weight, optimizer=lambda p: torch.optim.Adam(p, lr=0.02))
        solved = callbacks.StopWhenSolved(threshold=1e9, checks=3, anneal_steps=42, anneal_checks=1)
        trainer(max_steps=100, callbacks=[solved, Watch()], **CHECKS).fit(work)
        batch = draw(50, seed=1)
        with torch.no_grad():
            _, state = work.model(Focus(1.0).cut(batch, generator(2, "cut", 0)).inputs)
        softnesses[weight] = float(torch.stack([softness(w) for w in read_weightings(state)]).mean())
    assert counted == pytest.approx([0.0] * 6 + [(step - 2) / 42 for step in range(6, 44)])
    assert softnesses[1.0] < 0.5 * softnesses[0.0]


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_what_is_no_weight_is_refused(weight):
    with pytest.raises(ValueError, match=f"focus is {weight}, .* such as 0.01"):
        check_focus(weight, TASK)


def test_a_model_without_read_heads_trains_without_it():
    task = Copy(bits=3, max_length=4)
    for model in (LSTM(4, 8, output_size=3), Transformer(4, 8, heads=2, output_size=3)):
        assert not has_read_heads(model)
        assert SequenceLearner(model, task, focus=0.1).train_on_batch.focus is None
    assert learner(focus=0.1).train_on_batch.focus is not None
