"""A neural programmer's operations against loops in NumPy, and programs whose answers are certain."""

import numpy as np
import pytest
import torch
from drawn import assert_equals_oracle, assert_gradients, distribution, normal

from memnets import ops
from oracles import programs as oracle

SIZES = [(3, 5, 4, 3, 2), (1, 1, 1, 1, 1), (2, 6, 3, 2, 1)]
"""Batch, steps, rows, columns, numbers."""


def arguments(batch, steps, rows, columns, numbers, seed=0):
    count = torch.arange(batch) % rows + 1
    inside = (torch.arange(rows) < count.unsqueeze(1)).double()
    table = normal(batch, rows, columns, seed=seed, scale=3) * inside.unsqueeze(2)
    choice = distribution(batch, 2, numbers, seed=seed + 1)
    compared = ops.compare_cells(table, normal(batch, numbers, seed=seed + 2), choice)
    operations = distribution(batch, steps, 8, seed=seed + 3)
    return operations, distribution(batch, steps, columns, seed=seed + 4), table, *compared, count


def run(operations, columns, table, greater, lesser, count):
    inside = (torch.arange(table.shape[1]) < count.unsqueeze(1)).to(table.dtype)
    state, scalars, rows = ops.start_program(inside), [], []
    for t in range(operations.shape[1]):
        state = ops.program_step(operations[:, t], columns[:, t], table, (greater, lesser), inside, state)
        scalars.append(state.scalars[:, 0])
        rows.append(state.rows[:, 0])
    return torch.stack(scalars, 1), torch.stack(rows, 1)


@pytest.mark.parametrize("sizes", SIZES)
def test_the_equations(sizes):
    batch, _, rows, columns, numbers = sizes
    given = normal(batch, rows, columns), normal(batch, numbers, seed=1), distribution(batch, 2, numbers, seed=2)
    assert_equals_oracle(ops.compare_cells, oracle.compare_cells, given)
    drawn = arguments(*sizes)
    for result, expected in zip(run(*drawn), oracle.run_program(*(part.numpy() for part in drawn))):
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_gradients():
    *soft, table, greater, lesser, count = arguments(2, 4, 3, 2, 2)
    assert_gradients(lambda *parts: run(*parts, table, greater, lesser, count), tuple(soft))


TABLE = torch.tensor([[[1.0, 50.0], [2.0, 10.0], [3.0, 70.0], [4.0, 20.0]]], dtype=torch.float64)
PROGRAMS = {
    "the sum of the first": ([("sum", 0)], 10),
    "how many": ([("count", 0)], 4),
    "how many of the second above 15": ([("greater", 1), ("count", 0)], 3),
    "the sum of the first where the second is above 15": ([("greater", 1), ("sum", 0)], 8),
    "the second above 15 and the first below 4": ([("greater", 1), ("lesser", 0), ("and", 0), ("sum", 1)], 120),
    "the second above 15 or the first below 4": ([("greater", 1), ("lesser", 0), ("or", 0), ("count", 0)], 4),
    "all again after a choice": ([("lesser", 0), ("reset", 0), ("sum", 0)], 10),
    "a difference of sums": ([("sum", 1), ("reset", 0), ("sum", 0), ("difference", 0)], 140),
}
"""Operations with the column of each step, and the answer; the numbers are 15, for greater, and 4, for lesser."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_written_by_hand_gives_the_answer(name):
    program, expected = PROGRAMS[name]
    kinds = torch.tensor([[ops.PROGRAM_OPERATIONS.index(kind) for kind, _ in program]])
    operations = torch.eye(8, dtype=torch.float64)[kinds]
    columns = torch.eye(2, dtype=torch.float64)[torch.tensor([[column for _, column in program]])]
    choice = torch.eye(2, dtype=torch.float64).unsqueeze(0)
    compared = ops.compare_cells(TABLE, torch.tensor([[15.0, 4.0]], dtype=torch.float64), choice)
    scalars, _ = run(operations, columns, TABLE, *compared, torch.tensor([4]))
    assert scalars[0, -1] == expected
