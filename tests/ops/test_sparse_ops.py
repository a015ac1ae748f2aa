"""Sparse access against its loops, and its gradients."""

import pytest
import torch
from drawn import assert_equals_oracle, assert_gradients, distribution, normal, uniform
from hypothesis import given
from hypothesis import strategies as st

from memnets import ops
from oracles import sparse as oracle

sizes = st.sampled_from([1, 2, 3, 5])


def places(shape, slots, seed):
    return torch.randint(slots, shape, generator=torch.Generator().manual_seed(seed))


@given(slots=sizes, heads=sizes, count=sizes, width=sizes, seed=st.integers(0, 2**20), ties=st.booleans())
def test_equals_its_loop(slots, heads, count, width, seed, ties):
    count = min(count, slots)
    memory, key = normal(2, slots, width, seed=seed), normal(2, heads, width, seed=seed + 1)
    memory = memory if not ties else torch.zeros_like(memory)
    found = ops.most_similar(memory, key, count)
    assert found.tolist() == oracle.most_similar(memory.numpy(), key.numpy(), count).tolist()
    rows = normal(2, heads, count, width, seed=seed + 2)
    strength, weights = 5 * uniform(2, heads, seed=seed + 3), distribution(2, heads, count, seed=seed + 4)
    assert_equals_oracle(ops.row_weights, oracle.row_weights, (rows, key, strength))
    assert_equals_oracle(ops.read_rows, oracle.read_rows, (rows, weights))
    index, cleared = places((2, heads, count), slots, seed), places((2, heads), slots, seed + 5)
    assert_equals_oracle(lambda m: ops.take_rows(m, index), lambda m: oracle.take_rows(m, index.numpy()), (memory,))
    gates = uniform(2, heads, seed=seed + 6), uniform(2, heads, seed=seed + 7)
    assert_equals_oracle(
        lambda a, g, w: ops.sparse_write_weights(a, g, w, cleared, index)[1],
        lambda a, g, w: oracle.sparse_write_weights(a, g, w, cleared.numpy(), index.numpy())[1],
        (*gates, weights),
    )
    written = ops.sparse_write_weights(*gates, weights, cleared, index)[0]
    assert written.tolist() == torch.cat([index, cleared.unsqueeze(-1)], -1).tolist()
    assert_equals_oracle(
        lambda m, w, v: ops.sparse_write(m, cleared, index, w, v),
        lambda m, w, v: oracle.sparse_write(m, cleared.numpy(), index.numpy(), w, v),
        (memory, weights, normal(2, heads, width, seed=seed + 8)),
    )


@given(slots=sizes, seed=st.integers(0, 2**20))
def test_usage_equals_its_loop(slots, seed):
    last, time = places((2, slots), 4, seed), torch.tensor([7, 9])
    assert ops.least_recent(last, slots).tolist() == oracle.least_recent(last.numpy(), slots).tolist()
    index, weights = places((2, 6), slots, seed + 1), 0.01 * uniform(2, 6, seed=seed + 2)
    found = ops.update_access(last, time, index, weights)
    assert found.tolist() == oracle.update_access(*(t.numpy() for t in (last, time, index, weights))).tolist()


def test_gradients():
    memory, rows, key = normal(2, 5, 3), normal(2, 2, 4, 3, seed=1), normal(2, 2, 3, seed=2)
    index, cleared = places((2, 2, 4), 5, 0), places((2, 2), 5, 1)
    weights = distribution(2, 2, 4)
    assert_gradients(ops.row_weights, (rows, key, uniform(2, 2)))
    assert_gradients(ops.read_rows, (rows, weights))
    assert_gradients(lambda m: ops.take_rows(m, index), (memory,))
    assert_gradients(lambda m, w, v: ops.sparse_write(m, cleared, index, w, v), (memory, weights, key))
    gates = uniform(2, 2, seed=3), uniform(2, 2, seed=4)
    assert_gradients(lambda a, g, w: ops.sparse_write_weights(a, g, w, cleared, index)[1], (*gates, weights))


@pytest.mark.parametrize("scale", [0.0, 1e15])
def test_extremes_stay_finite(scale):
    rows = (scale * normal(1, 2, 3, 4)).float().requires_grad_()
    key = (scale * normal(1, 2, 4, seed=1)).float().requires_grad_()
    ops.row_weights(rows, key, torch.full((1, 2), 1e4)).square().sum().backward()
    assert rows.grad.isfinite().all()
    assert key.grad.isfinite().all()


def test_many_slots_are_searched_too():
    memory, key = normal(1, 5000, 3), normal(1, 2, 3, seed=1)
    found = ops.most_similar(memory, key, 4)
    assert found.tolist() == oracle.most_similar(memory.numpy(), key.numpy(), 4).tolist()
    last = torch.randperm(5000, generator=torch.Generator().manual_seed(0)).unsqueeze(0)
    assert ops.least_recent(last, 3).tolist() == oracle.least_recent(last.numpy(), 3).tolist()
