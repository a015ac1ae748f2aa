"""Vectors whose ones are counted."""

import pytest
import torch

from memnets_tasks import VectorParity


def test_vectors_have_as_many_numbers_as_asked_for():
    task = VectorParity(size=5)
    lengths = torch.tensor([1, 5, 3] * 100)
    batch = task.sample(300, lengths, torch.Generator().manual_seed(0))
    numbers = batch.inputs[:, 0]  # (B, 5)
    assert batch.inputs.shape == (300, 1, 5)
    assert numbers.ne(0).sum(1).equal(lengths)
    assert numbers.unique().tolist() == [-1, 0, 1]
    assert batch.targets.flatten().equal((numbers == 1).sum(1).remainder(2).float())
    assert numbers.ne(0).float().mean(0).sub(0.6).abs().max() < 0.1  # every place alike
    assert batch.targets.mean().sub(0.5).abs() < 0.1
    assert batch.mask.all()
    assert batch.lengths.eq(1).all()


def test_more_numbers_than_there_are_is_named():
    with pytest.raises(ValueError, match="max_length has 6, but a vector has size=5 numbers: give 5 at most"):
        VectorParity(size=5, max_length=6)
    with pytest.raises(ValueError, match="length is 6, but a vector has size=5"):
        VectorParity(size=5).sample(2, 6, torch.Generator())
