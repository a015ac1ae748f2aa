"""Tests of working memory against solvers that read one sequence at a time, markers and all."""

import numpy as np
import pytest
import torch

from memnets_tasks import (
    Distraction,
    Interruption,
    OperationSpan,
    ReadingSpan,
    ReverseRecall,
    SequenceEquality,
    SerialRecall,
    SkipRecall,
)
from solver_cases import check_answers, seeded


def parse(steps, controls):
    """``[(marker, [(step, item), ...]), ...]``: each marker and the steps that follow it."""
    parts = []
    for t, values in enumerate(steps):
        control, item = values[:controls], values[controls:]
        if any(control):
            assert sum(control) == 1
            assert not any(item), "a marker has no data"
            parts.append((control.index(1), []))
        else:
            parts[-1][1].append((t, item))
    return parts


def items(part):
    return [item for _, item in part[1]]


def answered(part, wanted):
    """The answers of a part that asks, which must show nothing and have a step for each."""
    assert not any(any(item) for item in items(part))
    assert len(part[1]) == len(wanted)
    return {t: item for (t, _), item in zip(part[1], wanted)}


def solve_list(change):
    def solve(steps):
        kept, asked = parse(steps, 2)
        assert (kept[0], asked[0]) == (0, 1)
        return answered(asked, change(items(kept)))

    return solve


def solve_equality(steps):
    first, second = parse(steps, 2)
    return {len(steps) - 1: [float(items(first) == items(second))]}


def solve_reading_span(steps):
    *lists, asked = parse(steps, 2)
    assert [part[0] for part in lists] == [0] * len(lists)
    assert asked[0] == 1
    return answered(asked, [items(part)[-1] for part in lists])


def solve_rounds(change):
    """Lists to keep (A), others (B) that are answered at once (C), and the end (D)."""

    def solve(steps):
        *rounds, end = parse(steps, 4)
        assert [part[0] for part in rounds] == [0, 1, 2] * (len(rounds) // 3)
        assert end[0] == 3
        answers = answered(end, [item for part in rounds[::3] for item in items(part)])
        for other, asked in zip(rounds[1::3], rounds[2::3]):
            answers |= answered(asked, change(items(other)))
        return answers

    return solve


def solve_ignore(steps):
    *rounds, end = parse(steps, 4)
    assert [part[0] for part in rounds] == [0, 1] * (len(rounds) // 2)
    assert end[0] == 3
    return answered(end, [item for part in rounds[::2] for item in items(part)])


def solve_carry(steps):
    *rounds, asked, end = parse(steps, 4)
    assert [part[0] for part in (*rounds, asked, end)] == [*[0, 1] * (len(rounds) // 2), 2, 3]
    answers = answered(end, [item for part in rounds[::2] for item in items(part)])
    return answers | answered(asked, items(rounds[-1]))


def opposite(rows):
    return [[1 - bit for bit in row] for row in rows]


def swap(rows):
    half = int(np.round(len(rows) / 2))
    return rows[half:] + rows[:half]


def rotate(rows):
    assert len(rows) == 1
    return [rows[0][2:] + rows[0][:2]]


@pytest.mark.parametrize(
    ("task", "solve", "largest"),
    [
        (SerialRecall(), solve_list(list), 200),
        (ReverseRecall(), solve_list(lambda rows: rows[::-1]), 200),
        (SkipRecall(), solve_list(lambda rows: rows[::2]), 200),
        (SkipRecall(stride=3), solve_list(lambda rows: rows[::3]), 100),
        (SequenceEquality(bits=2, min_length=1, max_length=4), solve_equality, 100),
        (SequenceEquality(bits=2, hard=True, min_length=1, max_length=4), solve_equality, 100),
        (Distraction(mode="carry"), solve_carry, 50),
        (Distraction(mode="forget"), solve_rounds(list), 50),
        (Distraction(mode="ignore"), solve_ignore, 50),
        (Distraction(mode="forget", varied=False, min_lists=2, max_lists=2), solve_rounds(list), 30),
        (ReadingSpan(), solve_reading_span, 50),
        (OperationSpan(bits=4), solve_rounds(rotate), 50),
        (Interruption(operation="not"), solve_rounds(opposite), 50),
        (Interruption(operation="reverse"), solve_rounds(lambda rows: rows[::-1]), 50),
        (Interruption(operation="swap"), solve_rounds(swap), 50),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "sample") else None,
)
def test_answers_of_a_slow_solver(task, solve, largest):
    check_answers(task, solve, 1, largest)


def test_both_kinds_of_pairs_are_as_likely():
    batch = SequenceEquality().sample(2000, 5, seeded())
    assert abs(batch.targets.sum() - 1000) < 5 * 500**0.5


def test_hard_pairs_differ_in_one_item():
    task = SequenceEquality(hard=True)
    batch = task.sample(300, 6, seeded())
    first, second = batch.inputs[:, 1:7, 2:], batch.inputs[:, 8:14, 2:]
    changed = (first != second).any(-1).sum(1)
    assert set(changed.tolist()) == {0, 1}


def lists_of(task, batch):
    return [[len(part[1]) for part in parse(steps[:n], 4)] for steps, n in zip(batch.inputs.tolist(), batch.lengths)]


def test_lists_vary_in_training_and_not_in_tests():
    task = Distraction(mode="ignore", min_length=2)
    drawn = lists_of(task, task.sample(200, 6, seeded()))
    assert {len(parts) for parts in drawn} == {3, 5, 7, 9}
    assert {size for parts in drawn for size in parts[:-1]} == {2, 3, 4, 5, 6}
    tested = lists_of(task, task.splits().test.sample(50, 6, seeded()))
    assert {size for parts in tested for size in parts[:-1]} == {6}


def test_errors_are_told_apart_by_what_was_kept():
    task = Distraction(mode="forget", bits=3, varied=False, min_lists=2, max_lists=2)
    batch = task.sample(5, 4, seeded())
    predictions = 2 * batch.targets - 1
    predictions[:, batch.mask[0].nonzero()[0]] *= -1  # the first item of the first list between
    predictions[:2, -1] *= -1  # the last of what was kept
    scores = {name: float(value) for name, value in task.scores(predictions, batch).items()}
    assert scores["bit_errors_between"] == 3
    assert scores["bit_errors_kept"] == pytest.approx(6 / 5)
    assert scores["bit_errors"] == pytest.approx(3 + 6 / 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Distraction(mode="drop"), "mode is 'drop'; give one of 'carry', 'forget', 'ignore'"),
        (lambda: Interruption(operation="and"), "operation is 'and'; give one of 'not', 'reverse', 'swap'"),
        (lambda: OperationSpan(rotation=9), "bits is 8, below rotation 9"),
        (lambda: ReadingSpan(max_lists=0), "max_lists is 0, below min_lists 1"),
        (lambda: SkipRecall(stride=0), "stride is 0"),
        (lambda: SerialRecall(bits=0), "bits is 0"),
        (lambda: ReadingSpan().sample(2, torch.tensor([1, 0]), seeded()), "length is 0; give at least 1 items"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
