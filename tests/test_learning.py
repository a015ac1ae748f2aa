"""Real learning at a small size: an NTM solves copy, and goes on to longer sequences better than an LSTM; n-grams."""

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

import memnets
from memnets_tasks import Copy, DynamicNGrams

TASK = Copy(bits=4, max_length=5)
BATCH = 16


def train(model, most_steps, seed=5):
    """RMSprop as in Graves et al. 2014, until 0.02 wrong bits at the longest length; returns the steps taken."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.9, alpha=0.95)
    for step in range(1, most_steps + 1):
        lengths = TASK.sample_lengths(BATCH, generator)
        batch = TASK.sample(BATCH, lengths, generator)
        output, _ = model(batch.inputs, lengths=batch.lengths)
        optimizer.zero_grad()
        TASK.loss(output, batch).backward()
        clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
        if step % 50 == 0 and bit_errors(model, TASK.max_length, seed=1) < 0.02:
            return step
    return most_steps


@torch.no_grad()
def bit_errors(model, length, seed):
    """Wrong bits a sequence, over 200 sequences never trained on."""
    batch = TASK.sample(200, length, torch.Generator().manual_seed(1000 + seed))
    return TASK.scores(model(batch.inputs, lengths=batch.lengths)[0], batch)["bit_errors"].item()


@pytest.fixture(scope="module")
def solved():
    """An NTM with an LSTM controller, trained on 1 to 5 vectors."""
    torch.manual_seed(5)
    model = memnets.NTM(TASK.input_size, 16, output_size=TASK.output_size, slots=24, width=12)
    return model, train(model, most_steps=2000)


def test_an_ntm_solves_copy(solved):
    model, _ = solved
    for length in range(1, TASK.max_length + 1):
        assert bit_errors(model, length, seed=2) < 0.1


def test_an_ntm_without_state_of_its_own_solves_copy():
    """A feedforward controller has no other place to keep the vectors than the memory."""
    torch.manual_seed(5)
    model = memnets.NTM(TASK.input_size, 32, output_size=TASK.output_size, slots=16, width=8, controller="feedforward")
    train(model, most_steps=2000)
    assert bit_errors(model, TASK.max_length, seed=2) < 0.1


def test_an_ntm_generalises_in_length_better_than_an_lstm(solved):
    model, steps = solved
    count = sum(parameter.numel() for parameter in model.parameters())
    torch.manual_seed(5)
    size = 24
    baseline = memnets.LSTM(TASK.input_size, size, output_size=TASK.output_size)
    while sum(parameter.numel() for parameter in baseline.parameters()) < count:
        size += 1
        baseline = memnets.LSTM(TASK.input_size, size, output_size=TASK.output_size)
    train(baseline, most_steps=2 * steps)
    longer = 2 * TASK.max_length
    assert bit_errors(model, longer, seed=2) < bit_errors(baseline, longer, seed=2) / 2


def test_more_slots_after_training_change_little(solved):
    """Nothing learnt depends on the number of slots: a trained memory can be made larger, and still copies."""
    model, _ = solved
    before = model.cell.memory.slots
    try:
        model.resize(3 * before)
        assert bit_errors(model, TASK.max_length, seed=2) < 0.1
    finally:
        model.resize(before)


def test_an_ntm_learns_to_learn_the_bigrams_of_a_sequence():
    """It comes within a bit of the optimal estimator, which counting all bits alike does not."""
    task = DynamicNGrams(order=2, min_length=40, max_length=40)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = memnets.NTM(1, 16, output_size=1, slots=16, width=8)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.9, alpha=0.95, eps=1e-4)
    for _ in range(700):
        batch = task.sample(BATCH, 40, generator)
        optimizer.zero_grad()
        task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch).backward()
        clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
    batch = task.sample(500, 40, torch.Generator().manual_seed(1000))
    with torch.no_grad():
        excess = task.scores(model(batch.inputs, lengths=batch.lengths)[0], batch)["excess"]
    ones = batch.inputs.cumsum(1)
    alike = (ones + 0.5) / (torch.arange(1, 40).view(1, -1, 1) + 1)
    assert task.scores(alike.logit(), batch)["excess"] > 3
    assert excess < 1
