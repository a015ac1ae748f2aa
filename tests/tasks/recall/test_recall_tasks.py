"""Tasks of recall against solvers that read one sequence at a time."""

import collections
import itertools

import pytest
import torch

from memnets_tasks import MQAR, Adding, FuzzyRecall, InductionHeads, NoisyRecall, SelectiveCopying
from solver_cases import check_answers, mixed_batches, outputs_for, seeded


def solve_selective_copying(tokens):
    copy = tokens.index(15)
    data = [token for token in tokens[:copy] if token != 14]
    assert len(data) == 4
    assert tokens[copy + 1 :] == [14] * 4
    return dict(zip(range(copy + 1, len(tokens)), data))


def solve_induction(tokens):
    places = [t for t, token in enumerate(tokens) if token == 7]
    assert len(places) == 2
    assert places[1] == len(tokens) - 1
    return {places[1]: tokens[places[0] + 1]}


def solve_noisy(tokens):
    values, answers = {}, {}
    for t in range(0, len(tokens), 2):
        if tokens[t] >= 16:
            assert tokens[t + 1] >= 16, "noise comes in twos"
            continue
        assert tokens[t] < 8
        if tokens[t] in values:
            answers[t] = values[tokens[t]]
        if t + 1 < len(tokens):
            assert values.setdefault(tokens[t], tokens[t + 1]) == tokens[t + 1], "a key has one value"
            assert 8 <= tokens[t + 1] < 16
    assert len(tokens) - 1 in answers, "the last key came before"
    return answers


def fuzzy_pairs(tokens):
    """Keys and values, told apart by the halves of the vocabulary; the last value lacks its last token."""
    pairs = []
    for is_value, run in itertools.groupby(tokens, key=lambda token: token >= 7):
        if not is_value:
            pairs.append([tuple(run), ()])
        else:
            pairs[-1][1] = tuple(run)
    return pairs


def solve_fuzzy(tokens):
    padding = sum(token == 15 for token in tokens)
    assert tokens[:padding] == [15] * padding
    values, answers, t = {}, {}, padding
    pairs = fuzzy_pairs(tokens[padding:])
    for number, (key, value) in enumerate(pairs):
        t += len(key)
        whole = value
        if number == len(pairs) - 1:
            whole = values[key]
            assert whole[: len(value)] == value
            assert len(whole) == len(value) + 1
        if key in values:
            answers.update({t - 1 + n: token for n, token in enumerate(whole)})
        assert values.setdefault(key, whole) == whole
        assert len(set(key)) == len(key) <= 3
        assert len(set(whole)) == len(whole) <= 3
        t += len(value)
    return answers


def solve_adding(steps):
    marks = [t for t, (_, mark) in enumerate(steps) if mark]
    assert len(marks) == 2
    assert marks[0] < len(steps) // 2 <= marks[1]
    total = torch.tensor([steps[marks[0]][0]]) + torch.tensor([steps[marks[1]][0]])
    return {len(steps) - 1: total.tolist()}


@pytest.mark.parametrize(
    ("task", "solve", "smallest", "largest"),
    [
        (SelectiveCopying(tokens=4, min_length=9, max_length=30), solve_selective_copying, 9, 200),
        (InductionHeads(vocabulary=8, min_length=3, max_length=40), solve_induction, 3, 300),
        (NoisyRecall(min_length=4, max_length=40), solve_noisy, 4, 300),
        (NoisyRecall(noise=0.0, vocabulary=16, noise_vocabulary=0, min_length=4), solve_noisy, 4, 200),
        (FuzzyRecall(vocabulary=16, min_length=13, max_length=60), solve_fuzzy, 13, 200),
        (FuzzyRecall(vocabulary=16, full_keys=True, min_length=13, max_length=60), solve_fuzzy, 13, 200),
        (Adding(min_length=2, max_length=30), solve_adding, 2, 500),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "sample") else None,
)
def test_answers_of_a_slow_solver(task, solve, smallest, largest):
    check_answers(task, solve, smallest, largest)


@pytest.mark.parametrize(("length", "pairs"), [(64, 4), (256, 64), (1024, 256), (4, 1)])
def test_mqar_asks_each_key_once(length, pairs):
    task = MQAR(slices=[(length, pairs)], shares=[1])
    seen = 0
    for batch in mixed_batches(task, length, length, examples=250):
        for tokens, targets, mask in zip(batch.inputs.tolist(), batch.targets.tolist(), batch.mask.tolist()):
            listed = tokens[: 2 * pairs]
            values = dict(zip(listed[::2], listed[1::2]))
            assert len(values) == len(set(values.values())) == pairs, "keys and values differ"
            assert all(1 <= key < 4096 <= value < 8192 for key, value in values.items())
            asked = [t for t, scored in enumerate(mask) if scored]
            assert sorted(tokens[t] for t in asked) == sorted(values)
            assert all(t % 2 == 0 and t >= 2 * pairs for t in asked)
            assert all(targets[t] == values[tokens[t]] for t in asked)
            seen += 1
    assert seen >= 250


def test_mqar_without_fill_shows_nothing_but_pairs_and_queries():
    """The example of the code's documentation has this form."""
    batch = MQAR(vocabulary=20, slices=[(16, 2)], shares=[1], test_slices=[(16, 2)], random_fill=False).sample(
        50, 16, seeded()
    )
    for tokens, mask in zip(batch.inputs.tolist(), batch.mask.tolist()):
        assert [token for token, scored in zip(tokens[4:], mask[4:]) if not scored] == [0] * 10
        assert sorted(token for token in tokens[4:] if token) == sorted(tokens[0:4:2])


def test_mqar_draws_slices_by_their_shares_and_gives_each_its_score():
    task = MQAR(vocabulary=1100)
    random = seeded(3)
    batch = task.sample(2000, task.sample_lengths(2000, random), random)
    drawn = collections.Counter(zip(batch.lengths.tolist(), batch.mask.sum(1).tolist()))
    assert drawn.keys() == {(64, 4), (128, 8), (256, 16), (256, 32), (256, 64)}
    for slice_, share in zip(task.slices, task.shares):
        expected = 2000 * share / 180
        assert abs(drawn[slice_] - expected) < 5 * expected**0.5
    batch = task.sample(150, task.sample_lengths(150, random), random)
    right = (batch.lengths == 64).unsqueeze(1) | (batch.mask.sum(1, keepdim=True) == 32)
    scores = task.scores(outputs_for(batch, 1100, right.expand_as(batch.mask)), batch)
    assert {name: float(value) for name, value in scores.items() if "pairs" in name} == {
        "accuracy_length64_pairs4": 1.0,
        "accuracy_length128_pairs8": 0.0,
        "accuracy_length256_pairs16": 0.0,
        "accuracy_length256_pairs32": 1.0,
        "accuracy_length256_pairs64": 0.0,
    }


def test_mqar_is_tested_on_the_slices_of_the_paper():
    test = MQAR().splits().test
    assert test.evaluation_lengths == (64, 128, 256, 512, 1024)
    drawn = {int(pairs) for pairs in test.sample(64, 64, seeded()).mask.sum(1)}
    assert drawn == {4, 8, 16}


def test_mqar_queries_come_sooner_with_a_small_power():
    def distance(power):
        task = MQAR(slices=[(256, 4)], shares=[1], power=power)
        return float(task.sample(500, 256, seeded()).mask.float().argmax(1).float().mean())

    assert distance(0.01) < 12 < 40 < distance(1.0)


def test_mqar_of_another_length_has_the_pairs_that_fit():
    task = MQAR()
    assert task.sample(3, 10, seeded()).mask.sum(1).tolist() == [2] * 3
    assert task.sample(3, 100, seeded()).mask.sum(1).tolist() == [4] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slices": [(63, 4)], "shares": [1]}, "has length 63; give an even one"),
        ({"slices": [(64, 17)], "shares": [1]}, r"\(64, 17\) has length 64; give an even one from 4 \* pairs = 68"),
        ({"shares": [1]}, r"shares is \(1,\); give a share"),
        ({"power": 0.0}, "power is 0.0"),
        ({"vocabulary": 1024}, "below the vocabulary of 1024"),
    ],
)
def test_mqar_names_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        MQAR(**arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SelectiveCopying(tokens=40), "min_length is 64; give a whole number of at least 81"),
        (lambda: SelectiveCopying().sample(2, 32, seeded()), "length is 32; give at least 33 tokens"),
        (lambda: InductionHeads(vocabulary=2), "vocabulary is 2"),
        (lambda: NoisyRecall(noise=1.0), "noise is 1.0"),
        (lambda: NoisyRecall(vocabulary=17), "vocabulary is 17; give a whole number of at least 18"),
        (lambda: FuzzyRecall(min_length=12), "min_length is 12; give a whole number of at least 13"),
        (lambda: Adding().sample(2, 1, seeded()), "length is 1; give at least 2 numbers"),
        (lambda: MQAR().sample(2, 65, seeded()), "give even lengths"),
        (lambda: MQAR().sample_lengths(2, seeded(), 63), "max_length is 63, below every slice"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_tokens_to_copy_may_stand_at_any_place():
    batch = SelectiveCopying(tokens=1, min_length=9, max_length=9).sample(4000, 9, seeded())
    places = collections.Counter((batch.inputs[:, :7] != 14).int().argmax(1).tolist())
    assert len(places) == 7
    assert all(abs(count - 4000 / 7) < 5 * (4000 / 7) ** 0.5 for count in places.values())


def test_fuzzy_tests_have_full_keys():
    for b in FuzzyRecall().splits().test.sample(20, 100, seeded()).inputs.tolist():
        assert all(len(key) == 3 for key, _ in fuzzy_pairs([token for token in b if token != 15]))


def test_adding_counts_answers_within_the_papers_tolerance():
    task = Adding(min_length=5, max_length=5)
    batch = task.sample(4, 5, seeded())
    predictions = batch.targets + torch.tensor([0.0, 0.039, 0.041, -1.0])[:, None, None]
    assert task.errors(predictions, batch).tolist() == [0, 0, 1, 1]
    scores = task.scores(predictions, batch)
    assert float(scores["accuracy"]) == 0.5
    assert float(scores["squared_error"]) == pytest.approx((0.039**2 + 0.041**2 + 1) / 4, rel=1e-3)
    assert float(task.loss(predictions, batch)) == pytest.approx(float(scores["squared_error"]))


def test_saying_one_always_has_a_sixth():
    task = Adding()
    batch = task.sample(20000, 50, seeded())
    assert float(task.loss(torch.ones_like(batch.targets), batch)) == pytest.approx(1 / 6, abs=0.005)
