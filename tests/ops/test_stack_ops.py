"""The stacks' equations against loops in NumPy, their gradients, and the cases in which the answer is certain."""

import numpy as np
import pytest
import torch
from drawn import (
    assert_equals_oracle,
    assert_gradients,
    assert_traceable,
    distribution,
    finite_with_gradients,
    normal,
    uniform,
)
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from memnets import ops
from oracles import stack as oracle

PUSH, POP, STAY = torch.eye(3, dtype=torch.float64)
sizes = st.sampled_from([1, 2, 3, 5, 7])
SIZES = [(2, 3, 4, 2), (1, 1, 1, 1), (2, 1, 5, 3), (1, 2, 1, 3)]
"""Batch, stacks, depth, width."""


def step_arguments(batch, stacks, depth, width, seed=0):
    return (
        normal(batch, stacks, depth, width, seed=seed),
        distribution(batch, stacks, 3, seed=seed + 1),
        normal(batch, stacks, width, seed=seed + 2),
    )


def neural_arguments(batch, stacks, depth, width, seed=0):
    return (
        normal(batch, stacks, depth, width, seed=seed),
        uniform(batch, stacks, depth, seed=seed + 1),
        normal(batch, stacks, width, seed=seed + 2),
        uniform(batch, stacks, seed=seed + 3),
        2 * uniform(batch, stacks, seed=seed + 4),
    )


# Joulin & Mikolov 2015.


@given(batch=st.integers(1, 3), stacks=sizes, depth=sizes, width=sizes, seed=st.integers(0, 2**20))
def test_equals_its_loop(batch, stacks, depth, width, seed):
    arguments = step_arguments(batch, stacks, depth, width, seed)
    assert_equals_oracle(ops.stack_step, oracle.stack_step, arguments)
    assert_equals_oracle(ops.stack_top, oracle.stack_top, arguments[:1])


@pytest.mark.parametrize("shape", SIZES)
def test_gradients_and_traces(shape):
    arguments = step_arguments(*shape)
    assert_gradients(ops.stack_step, arguments)
    assert_traceable(ops.stack_step, arguments)
    assert_traceable(ops.stack_top, arguments[:1])


def run(actions, values, depth):
    """The tops after each of the certain actions, for one stack of width 1."""
    stack, tops = torch.zeros(1, 1, depth, 1).double(), []
    for action, value in zip(actions, values):
        stack = ops.stack_step(stack, action.reshape(1, 1, 3), torch.tensor([[[float(value)]]]).double())
        tops.append(ops.stack_top(stack).item())
    return tops


def test_certain_actions_are_those_of_a_stack():
    actions = [PUSH, PUSH, STAY, PUSH, POP, POP, POP, POP, PUSH]
    assert run(actions, [1, 2, 9, 3, 9, 9, 9, 9, 4], depth=4) == [1, 2, 2, 3, 2, 1, 0, 0, 4]


def test_what_is_pushed_out_of_a_full_stack_is_lost():
    assert run([PUSH, PUSH, PUSH, POP, POP], [1, 2, 3, 9, 9], depth=2) == [1, 2, 3, 2, 0]


def test_stacks_act_each_by_itself():
    stack, _, values = step_arguments(2, 3, 4, 2)
    actions = torch.stack([PUSH, POP, STAY]).expand(2, 3, 3)
    result = ops.stack_step(stack, actions, values)
    assert torch.equal(result[:, 0, 0], values[:, 0])
    assert torch.equal(result[:, 0, 1:], stack[:, 0, :-1])
    assert torch.equal(result[:, 1, :-1], stack[:, 1, 1:])
    assert torch.equal(result[:, 2], stack[:, 2])


def test_huge_values_on_a_stack_stay_finite():
    stack, actions, values = step_arguments(2, 3, 4, 2)
    finite_with_gradients(ops.stack_step, 1e30 * stack, actions, 1e30 * values)


# Grefenstette et al. 2015.


@given(queue=st.booleans(), stacks=sizes, steps=sizes, more=st.integers(0, 2), width=sizes, seed=st.integers(0, 2**20))
def test_neural_stacks_and_queues_equal_lists_that_grow(queue, stacks, steps, more, width, seed):
    step, read_off = ops.neural_stack_step, ops.neural_stack_read
    if queue:
        step, read_off = ops.neural_queue_step, ops.neural_queue_read
    batch, depth = 2, steps + more
    value, push = normal(steps, batch, stacks, width, seed=seed), uniform(steps, batch, stacks, seed=seed + 1)
    pop = 1.5 * uniform(steps, batch, stacks, seed=seed + 2)
    values, strengths = torch.zeros(batch, stacks, depth, width).double(), torch.zeros(batch, stacks, depth).double()
    lists = oracle.NeuralQueue if queue else oracle.NeuralStack
    expected = {index: lists() for index in np.ndindex(batch, stacks)}
    for t in range(steps):
        values, strengths = step(values, strengths, value[t], push[t], pop[t])
        reads = read_off(values, strengths)
        for index, one in expected.items():
            read = one.step(value[t][index].numpy(), push[t][index].item(), pop[t][index].item())
            np.testing.assert_allclose(reads[index].numpy(), read, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(strengths[index][: t + 1].flip(0).numpy(), one.strengths, atol=1e-12)


def test_the_example_of_the_paper():
    """Figure 1a: strengths 0.8; 0.7, 0.5; 0.3, 0, 0.9, and what is read after each step."""
    v = torch.eye(3).double().reshape(3, 1, 1, 3)
    values, strengths, reads = torch.zeros(1, 1, 3, 3).double(), torch.zeros(1, 1, 3).double(), []
    for t, (push, pop) in enumerate([(0.8, 0.0), (0.5, 0.1), (0.9, 0.9)]):
        gates = (torch.tensor([[number]]).double() for number in (push, pop))
        values, strengths = ops.neural_stack_step(values, strengths, v[t], *gates)
        reads.append(ops.neural_stack_read(values, strengths)[0, 0])
    assert_close(strengths[0, 0], torch.tensor([0.9, 0.0, 0.3]).double())
    assert_close(torch.stack(reads), torch.tensor([[0.8, 0, 0], [0.5, 0.5, 0], [0.1, 0, 0.9]]).double())


@pytest.mark.parametrize("shape", SIZES)
def test_gradients_and_traces_of_the_neural_stack(shape):
    arguments = neural_arguments(*shape)
    assert_gradients(ops.neural_stack_step, arguments)
    assert_traceable(ops.neural_stack_step, arguments)
    assert_gradients(ops.neural_stack_read, arguments[:2])
    assert_traceable(ops.neural_stack_read, arguments[:2])
    assert_gradients(ops.neural_queue_step, arguments)
    assert_gradients(ops.neural_queue_read, arguments[:2])


def test_beyond_its_depth_a_neural_stack_loses_the_oldest():
    values, strengths = torch.zeros(1, 1, 2, 1).double(), torch.zeros(1, 1, 2).double()
    one, zero = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    for number in (1, 2, 3):
        values, strengths = ops.neural_stack_step(values, strengths, torch.full((1, 1, 1), number).double(), one, zero)
    assert values.flatten().tolist() == [3, 2]
    assert strengths.flatten().tolist() == [1, 1]


@pytest.mark.parametrize("gate", [0.0, 1.0, 1e30])
def test_a_neural_stack_at_extremes(gate):
    values, _, value, _, _ = neural_arguments(2, 3, 4, 2)
    gates = torch.full((2, 3), gate)
    finite_with_gradients(ops.neural_stack_step, 1e3 * values, torch.full((2, 3, 4), gate), 1e3 * value, gates, gates)
    finite_with_gradients(ops.neural_stack_read, 1e3 * values, torch.full((2, 3, 4), gate))


def test_a_queue_gives_back_in_the_order_of_coming():
    values, strengths, reads = torch.zeros(1, 1, 4, 1).double(), torch.zeros(1, 1, 4).double(), []
    for number, push, pop in [(1, 1, 0), (2, 1, 0), (9, 0, 1), (3, 1, 1), (9, 0, 1)]:
        gates = (torch.tensor([[float(gate)]]).double() for gate in (push, pop))
        values, strengths = ops.neural_queue_step(
            values, strengths, torch.full((1, 1, 1), float(number)).double(), *gates
        )
        reads.append(ops.neural_queue_read(values, strengths).item())
    assert reads == [1, 1, 2, 3, 0]


# Deletang et al. 2022.


def tape_arguments(batch, tapes, slots, width, seed=0):
    jump = torch.randint(0, 2 * slots, (batch,), generator=torch.Generator().manual_seed(seed)).double()
    return (
        normal(batch, tapes, slots, width, seed=seed),
        distribution(batch, tapes, 5, seed=seed + 1),
        normal(batch, tapes, width, seed=seed + 2),
        jump,
    )


@given(batch=st.integers(1, 3), tapes=sizes, slots=sizes, width=sizes, seed=st.integers(0, 2**20))
def test_a_tape_equals_its_loop(batch, tapes, slots, width, seed):
    arguments = tape_arguments(batch, tapes, slots, width, seed)
    assert_equals_oracle(ops.tape_step, oracle.tape_step, arguments)
    assert_equals_oracle(ops.tape_read, oracle.tape_read, arguments[:1])


def test_gradients_and_traces_of_the_tape():
    tape, moves, values, jump = tape_arguments(2, 3, 4, 2)

    def step(tape, moves, values):
        return ops.tape_step(tape, moves, values, jump[: len(tape)])

    assert_gradients(step, (tape, moves, values))
    assert_traceable(ops.tape_read, (tape,))
    compiled = torch.compile(ops.tape_step, fullgraph=True, backend="eager")
    assert_close(compiled(tape, moves, values, jump), step(tape, moves, values))


def test_certain_moves_are_those_of_a_head_on_a_tape():
    """A string is written to the right, a jump goes back to its start, and it is read off by writing zeros over it."""
    stay, _, right, back, _ = torch.eye(5, dtype=torch.float64)
    tape, reads = torch.zeros(1, 1, 9, 1).double(), []
    for value, move in [(1, right), (2, right), (3, right), (0, back), (0, right), (0, right), (0, stay)]:
        written = torch.tensor([[[float(value)]]]).double()
        tape = ops.tape_step(tape, move.reshape(1, 1, 5), written, torch.tensor([3.0]).double())
        reads.append(ops.tape_read(tape).item())
    assert reads == [0, 0, 0, 1, 2, 3, 0]
