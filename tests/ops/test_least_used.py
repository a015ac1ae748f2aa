"""Least recently used access against its loops, and what it chooses where that is certain."""

import torch
from drawn import assert_equals_oracle, assert_gradients, distribution, uniform
from hypothesis import given
from hypothesis import strategies as st

from memnets import ops
from oracles import least_used as oracle

sizes = st.sampled_from([1, 2, 3, 5, 7])


@given(slots=sizes, count=sizes, heads=sizes, seed=st.integers(0, 2**20), ties=st.booleans())
def test_equals_its_loop(slots, count, heads, seed, ties):
    usage = uniform(2, slots, seed=seed)
    usage = (3 * usage).round() if ties else usage
    assert_equals_oracle(
        lambda u: ops.least_used_weights(u, count), lambda u: oracle.least_used_weights(u, count), (usage,)
    )
    weights = (distribution(2, heads, slots, seed=seed + 1), distribution(2, heads, slots, seed=seed + 2))
    assert_equals_oracle(
        lambda u, r, w: ops.decayed_usage(u, r, w, 0.9),
        lambda u, r, w: oracle.decayed_usage(u, r, w, 0.9),
        (usage, *weights),
    )


def test_gradients_of_usage():
    weights = distribution(2, 3, 4, seed=1), distribution(2, 3, 4, seed=2)
    assert_gradients(lambda u, r, w: ops.decayed_usage(u, r, w, 0.9), (uniform(2, 4), *weights))


def test_the_least_used_come_first_and_of_equals_the_first():
    usage = torch.tensor([[0.5, 0.1, 0.3, 0.1]])
    assert ops.least_used_weights(usage, 3).argmax(-1).tolist() == [[1, 3, 2]]
    assert ops.least_used_weights(usage, 9).shape == (1, 4, 4)
