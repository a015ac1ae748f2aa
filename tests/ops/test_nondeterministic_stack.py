"""The nondeterministic stack against all runs of its automaton, and a string whose middle nothing marks."""

import numpy as np
import torch
from drawn import assert_gradients, assert_traceable, finite_with_gradients, uniform
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

import memnets
from memnets import ops
from oracles import stack as oracle


def state(batch, states, symbols):
    return memnets.NondeterministicStackMemory(states, symbols).initial_state(batch, dtype=torch.float64)


def actions(batch, states, symbols, seed):
    pairs = batch, states, symbols, states
    shapes = (*pairs, symbols), (*pairs, symbols), pairs
    return tuple(uniform(*shape, seed=seed + n) for n, shape in enumerate(shapes))


@settings(max_examples=12)
@given(states=st.integers(1, 3), symbols=st.integers(1, 3), steps=st.integers(1, 5), seed=st.integers(0, 1000))
def test_equals_following_every_stack_by_itself(states, symbols, steps, seed):
    given_actions = [actions(2, states, symbols, seed + 10 * step) for step in range(steps)]
    now = state(2, states, symbols)
    tops = []
    for weights in given_actions:
        now = ops.nondeterministic_stack_step(*now, *weights)
        tops.append(now[0])
    for b in range(2):
        wanted = oracle.tops_of_all_runs([tuple(w[b].numpy() for w in weights) for weights in given_actions])
        assert_close(torch.stack(tops)[:, b], torch.tensor(np.array(wanted)))


def test_gradients_and_traces():
    now = ops.nondeterministic_stack_step(*state(1, 1, 2), *actions(1, 1, 2, 0))
    given_all = (*now, *actions(1, 1, 2, 9))
    assert_gradients(ops.nondeterministic_stack_step, given_all)
    assert_traceable(ops.nondeterministic_stack_step, given_all)


def test_a_thousandth_of_a_share_and_weights_of_nothing_stay_finite():
    now = state(1, 2, 2)
    for step in range(3):
        given_actions = [1e-30 * weights for weights in actions(1, 2, 2, step)]
        now = ops.nondeterministic_stack_step(*now, *given_actions)
    assert_close(now[0].sum(), torch.tensor(1.0).double())
    nothing = [0 * weights for weights in actions(1, 2, 2, 3)]
    finite_with_gradients(ops.nondeterministic_stack_step, *now, *nothing)


def test_the_bottom_is_replaced_but_never_popped():
    push, replace, pop = actions(1, 1, 2, 0)
    now = ops.nondeterministic_stack_step(*state(1, 1, 2), 0 * push, replace, 100 * pop)
    assert_close(now[0].flatten(), replace[0, 0, 0, 0] / replace[0, 0, 0, 0].sum())
