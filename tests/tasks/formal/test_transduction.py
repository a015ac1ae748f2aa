"""The fifteen tasks of Deletang et al. 2022 against slow solvers, and the distributions they are drawn from."""

from collections import Counter

import pytest
import torch
from formal_batches import decode, seeded

import memnets_tasks
from memnets_tasks.formal._expressions import draw_expressions
from oracles.formal import ANSWERS, number

SIZES = {"EvenPairs": (2, 2), "ParityCheck": (2, 2), "CycleNavigation": (3, 5), "ModularArithmetic": (9, 5)}
SIZES |= {"ModularArithmeticBrackets": (11, 5), "SolveEquation": (11, 5), "StackManipulation": (5, 3)}
SIZES |= {"ReverseString": (2, 2), "DuplicateString": (2, 2), "OddsFirst": (2, 2), "BucketSort": (5, 5)}
SIZES |= {"MissingDuplicate": (4, 2), "BinaryAddition": (3, 3), "BinaryMultiplication": (3, 3), "ComputeSqrt": (2, 2)}
"""Symbols of strings and of answers, as the paper's code has them; here one more channel is that of empty steps."""


def made(name):
    return getattr(memnets_tasks, name)()


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_those_of_a_slow_solver(name):
    """1,470 strings: of 1 to 40 symbols together, of the shortest, and of the longest that are evaluated."""
    task, solve, random = made(name), ANSWERS[name], seeded()
    assert (task.input_size - 1, task.output_size) == SIZES[name]
    short = [torch.randint(1, 41, (800,), generator=random), torch.full((150,), 1), torch.full((150,), 2)]
    for lengths in [*short, torch.full((150,), 3), torch.full((150,), 4), torch.tensor([500, 499] * 35)]:
        batch = task.sample(len(lengths), lengths, random)
        for length, (string, answer, asked) in zip(lengths.tolist(), decode(task, batch), strict=True):
            assert len(string) == (length - 1 + length % 2 if name == "ModularArithmetic" else length)
            assert (answer, asked) == solve(string)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_example_is_shown_to_people(name):
    task = made(name)
    batch = task.sample(3, torch.tensor([1, 9, 4]), seeded())
    for index, (string, answer, _) in enumerate(decode(task, batch)):
        apart = " " if name == "StackManipulation" and any(len(symbol) > 1 for symbol in string) else ""
        assert task.text(batch, index) == f"given {apart.join(string)}; wanted {''.join(answer)}"


def shares(values):
    return {value: count / len(values) for value, count in Counter(values).items()}


def assert_uniform(values, over):
    found = shares(values)
    assert set(found) == set(over)
    error = (1 / len(over) / len(values)) ** 0.5  # of the share of one, a standard deviation at most
    assert all(abs(share - 1 / len(over)) < 5 * error for share in found.values()), found


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_numbers_whose_root_is_asked_are_uniform(length):
    task = made("ComputeSqrt")
    strings = [int("".join(string), 2) for string, *_ in decode(task, task.sample(4000, length, seeded()))]
    assert_uniform(strings, range(1, 2**length))


def test_operands_are_uniform_and_never_zero():
    task = made("BinaryAddition")
    pairs = ["".join(string).split("+") for string, *_ in decode(task, task.sample(6000, 5, seeded()))]
    assert_uniform([len(one) for one, _ in pairs], (1, 2, 3))
    assert_uniform(
        [(number(a), number(b)) for a, b in pairs if len(a) == 2], [(a, b) for a in (1, 2, 3) for b in (1, 2, 3)]
    )
    alone = ["".join(string) for string, *_ in decode(task, task.sample(3000, 2, seeded()))]
    assert_uniform(alone, ("00", "10", "01"))


def test_the_hidden_number_of_an_equation_depends_on_the_place_that_is_drawn():
    """Of ``(-d+d)`` the first number is next from the first four places and the last; the second from two."""
    task = made("SolveEquation")
    strings = ["".join(string) for string, *_ in decode(task, task.sample(9000, 8, seeded()))]
    found = shares([s.index("x") for s in strings if s[1] == "-"])
    assert found[2] == pytest.approx(4 / 6, abs=0.05)
    assert found[4] == pytest.approx(2 / 6, abs=0.05)


def test_the_first_stack_may_have_any_height():
    task = made("StackManipulation")
    strings = [string for string, *_ in decode(task, task.sample(4000, 6, seeded()))]
    heights = [next((i for i, symbol in enumerate(string) if len(symbol) > 1), 6) for string in strings]
    assert_uniform(heights, range(1, 6))
    assert_uniform([string[5] for string in strings], ("pop", "push0", "push1"))


def test_the_left_part_of_an_expression_has_any_length():
    """Of nine symbols, a bracket around both: the left part has 1 to 5, as the right has at least one."""
    string, _ = draw_expressions(torch.full((4000,), 9), seeded(), operators=3)
    lefts, operators = [], []
    for symbols in string.tolist():
        depth, at = 0, 1
        while not (depth == 0 and symbols[at] in (5, 6, 7) and at > 1 and symbols[at - 1] != 8):
            depth += {8: 1, 9: -1}.get(symbols[at], 0)
            at += 1
        lefts.append(at - 1)
        operators.append(symbols[at])
    assert_uniform(lefts, range(1, 6))
    assert_uniform(operators, (5, 6, 7))


@pytest.mark.parametrize("name", ["ReverseString", "BinaryMultiplication", "SolveEquation"])
def test_a_length_or_batch_that_cannot_be_drawn_is_named(name):
    with pytest.raises(ValueError, match="length is 0; give at least 1 symbols"):
        made(name).sample(2, 0, seeded())
    with pytest.raises(ValueError, match="batch_size is 0"):
        made(name).sample(0, 3, seeded())
    with pytest.raises(ValueError, match="max_length is 2, below min_length 3"):
        getattr(memnets_tasks, name)(min_length=3, max_length=2)
