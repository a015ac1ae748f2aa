"""Random choices for whole batches: different numbers where they should be, and none preferred."""

import itertools
from collections import Counter

import pytest

from memnets_tasks import generator
from memnets_tasks._draw import distinct


@pytest.mark.parametrize(("count", "high"), [(2, 4), (3, 5)])  # by drawing again, and by the largest of random keys
def test_every_choice_of_different_numbers_is_as_likely(count, high):
    drawn = distinct((60, 100), count, high, generator(0, "distinct", 0))
    assert drawn.shape == (60, 100, count)
    found = Counter(map(tuple, drawn.flatten(0, 1).tolist()))
    every = list(itertools.permutations(range(high), count))
    assert set(found) == set(every)
    mean = 6000 / len(every)
    assert all(abs(number - mean) < 5 * mean**0.5 for number in found.values())


def test_many_numbers_of_a_thousand_are_different():
    drawn = distinct((500,), 30, 1000, generator(0, "distinct", 0))
    assert all(len(set(row)) == 30 and min(row) >= 0 and max(row) < 1000 for row in drawn.tolist())
