"""Word problems of groups against products of permutations in plain Python."""

import itertools

import pytest
import torch
from formal_batches import seeded

from memnets_tasks import WordProblem

ORDERS = {"S3": 6, "A5": 60, "S5": 120, "Z60": 60}


def product(group, one, other):
    """One element, and then the other."""
    if group.startswith("Z"):
        return str((int(one) + int(other)) % int(group[1:]))
    return "".join(other[int(place)] for place in one)


@pytest.mark.parametrize("group", ORDERS)
def test_products_are_those_of_a_slow_solver(group):
    task, random = WordProblem(group=group), seeded()
    assert task.input_size == task.output_size == len(set(task.symbols)) == ORDERS[group]
    for lengths in (torch.randint(1, 129, (996,), generator=random), torch.full((60,), 1), torch.full((12,), 512)):
        batch = task.sample(len(lengths), lengths, random)
        assert torch.equal(batch.lengths, lengths)
        given, wanted = batch.inputs.argmax(-1), batch.targets.argmax(-1)
        for b, length in enumerate(lengths.tolist()):
            assert batch.mask[b].nonzero().flatten().tolist() == [*range(length)]
            elements = [task.symbols[i] for i in given[b, :length].tolist()]
            products = [task.answers[i] for i in wanted[b, :length].tolist()]
            assert products == [*itertools.accumulate(elements, lambda a, b: product(group, a, b))]


@pytest.mark.parametrize("group", ["S3", "A5", "S5"])
def test_the_permutations_are_those_of_the_group(group):
    kept = []
    for p in itertools.permutations(range(int(group[1:]))):
        swaps, left = 0, list(p)
        for i in range(len(left)):
            while left[i] != i:
                j = left[i]
                left[i], left[j] = left[j], left[i]
                swaps += 1
        if group.startswith("S") or swaps % 2 == 0:
            kept.append("".join(map(str, p)))
    assert set(WordProblem(group=group).symbols) == set(kept)


def test_an_example_is_shown_to_people():
    task = WordProblem(group="Z60")
    shown = task.text(task.sample(2, torch.tensor([3, 5]), seeded()), 0)
    given, wanted = (part.split()[1:] for part in shown.split("; "))
    assert [int(n) for n in wanted] == [n % 60 for n in itertools.accumulate(map(int, given))]


@pytest.mark.parametrize("group", ["S7", "S1", "A2", "Z1", "Z721", "Q8", "S", "", "S-3", "s5"])
def test_a_group_that_there_is_not_is_named(group):
    with pytest.raises(ValueError, match=f"group is '{group}'; give S, A or Z with a number"):
        WordProblem(group=group)
