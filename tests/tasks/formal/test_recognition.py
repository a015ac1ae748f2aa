"""Recognition of languages against their definitions in plain Python, and the distributions of their strings."""

import itertools
from collections import Counter

import pytest
import torch
from formal_batches import decode, seeded

from memnets_tasks import LANGUAGES, Language, Recognition
from memnets_tasks.formal.recognition.negatives import draw_edit_counts, draw_negatives, edit
from oracles.formal import MEMBERS

EXHAUSTIVE = {2: 9, 3: 7, 4: 7, 6: 5, 8: 4}
"""Up to how many symbols all strings are tried, by the number of kinds."""


@pytest.mark.parametrize("name", LANGUAGES)
def test_labels_are_those_of_the_definition(name):
    """1,440 strings: of up to 1 to 40 symbols together, of up to 1 and 2, and of up to 500."""
    task, random = Recognition(language=name), seeded()
    sets = [torch.randint(1, 41, (1000,), generator=random), torch.full((200,), 1), torch.full((200,), 2)]
    for lengths in [*sets, torch.tensor([500, 499] * 20)]:
        batch = task.sample(len(lengths), lengths, random)
        yes = 0
        for limit, (string, answer, asked) in zip(lengths.tolist(), decode(task, batch), strict=True):
            assert asked == 1
            assert answer == ["yes" if MEMBERS[name]("".join(string)) else "no"]
            assert len(string) <= max(limit, task.language.shortest)
            if answer == ["yes"]:
                yes += 1
                assert len(string) > limit - task.language.stride or len(string) == task.language.shortest
        assert abs(yes / len(lengths) - 0.5) < 2.5 / len(lengths) ** 0.5


@pytest.mark.parametrize("name", LANGUAGES)
def test_membership_of_all_short_strings(name):
    language = LANGUAGES[name]()
    longest = EXHAUSTIVE[len(language.symbols)]
    strings = [s for n in range(longest + 1) for s in itertools.product(range(len(language.symbols)), repeat=n)]
    length = torch.tensor([len(s) for s in strings])
    padding = torch.randint(len(language.symbols), (len(strings), longest), generator=seeded())
    inside = torch.arange(longest) < length.unsqueeze(1)
    padded = torch.tensor([[*s, *[0] * (longest - len(s))] for s in strings])
    found = language.contains(torch.where(inside, padded, padding), length).tolist()
    assert found == [MEMBERS[name]("".join(language.symbols[i] for i in s)) for s in strings]
    sizes = {len(s) for s, member in zip(strings, found) if member}
    assert sizes == {*range(language.shortest, longest + 1, language.stride)}


@pytest.mark.parametrize(("name", "length"), [("dyck-2-3", 6), ("dyck-2-3", 8), ("parity", 4), ("cycle-navigation", 3)])
def test_all_strings_of_a_length_are_as_likely(name, length):
    language, count = LANGUAGES[name](), 8000
    strings = Counter(map(tuple, language.draw(torch.full((count,), length), seeded()).tolist()))
    kinds = range(len(language.symbols))
    every = [
        s for s in itertools.product(kinds, repeat=length) if MEMBERS[name]("".join(language.symbols[i] for i in s))
    ]
    assert set(strings) == set(every)
    error = (count / len(every)) ** 0.5
    assert all(abs(number - count / len(every)) < 5 * error for number in strings.values())


@pytest.mark.parametrize(("length", "sizes"), [(7, {4, 5, 6, 7}), (6, {4, 5, 6})])
def test_majorities_of_any_size_and_at_any_places_are_as_likely(length, sizes):
    language, count = LANGUAGES["majority"](), 4000
    strings = language.draw(torch.full((count,), length), seeded())
    ones = Counter(strings.sum(1).tolist())
    assert set(ones) == sizes
    assert all(abs(number - count / len(sizes)) < 150 for number in ones.values())
    fewest = strings[strings.sum(1) == 4].float().mean(0)
    assert (fewest - 4 / length).abs().max() < 0.07


def test_the_numbers_of_an_addition():
    """Of seven symbols, two to share out: the result has three bits where both cuts are in the first half."""
    language = LANGUAGES["binary-addition"]()
    strings = [
        "".join(language.symbols[i] for i in s) for s in language.draw(torch.full((8000,), 7), seeded()).tolist()
    ]
    parts = [(*s.split("=")[0].split("+"), s.split("=")[1]) for s in strings]
    widths = Counter(tuple(map(len, part)) for part in parts)
    assert set(widths) == {(1, 1, 3), (1, 2, 2), (2, 1, 2)}
    assert widths[1, 1, 3] / 8000 == pytest.approx(1 / 4, abs=0.03)
    assert widths[1, 2, 2] / 8000 == pytest.approx(3 / 8, abs=0.03)
    pairs = Counter((part[0], part[1]) for part in parts if len(part[1]) == 2)
    zeros = sum(count for (x, _), count in pairs.items() if x == "0")
    assert zeros / sum(pairs.values()) == pytest.approx(1 / 2, abs=0.04)
    assert {y for x, y in pairs if x == "1"} == {"00", "10", "01"}  # 1 + 3 needs a bit more
    assert all(abs(pairs["1", y] / pairs["1", "00"] - 1) < 0.2 for y in ("10", "01"))


def test_edits_are_geometric_and_no_more_than_asked_for():
    counts = draw_edit_counts(20000, seeded())
    assert int(counts.min()) == 1
    for edits in (1, 2, 3):
        assert float((counts == edits).float().mean()) == pytest.approx(0.5**edits, abs=0.02)
    length, limit = torch.randint(0, 7, (400,), generator=seeded(1)), torch.full((400,), 6)
    string, edits = torch.randint(3, (400, 6), generator=seeded(2)), counts[:400]
    changed, left = edit(string, length, limit, edits, 3, seeded(3))
    assert (left <= limit).all()
    for before, n, after, m, most in zip(*(t.tolist() for t in (string, length, changed, left, edits))):
        distance = levenshtein(before[:n], after[:m])
        assert distance <= most
        assert distance == 1 or most > 1


def test_each_edit_is_as_likely_at_each_place():
    """Of one edit of 012 up to five symbols: four places and three symbols to insert, three to replace or delete."""
    string = torch.tensor([[0, 1, 2, 0, 0]]).repeat(18000, 1)
    one, three = torch.ones(18000, dtype=torch.int64), torch.full((18000,), 3)
    changed, left = edit(string, three, three + 2, one, 3, seeded())
    sizes = Counter(left.tolist())
    assert all(abs(sizes[n] / 18000 - 1 / 3) < 0.02 for n in (2, 3, 4))
    deleted = Counter(tuple(s[:2]) for s, n in zip(changed.tolist(), left.tolist()) if n == 2)
    assert {s: round(count / 6000, 1) for s, count in deleted.items()} == {(1, 2): 0.3, (0, 2): 0.3, (0, 1): 0.3}
    replaced = Counter(tuple(s[:3]) for s, n in zip(changed.tolist(), left.tolist()) if n == 3)
    assert len(replaced) == 6
    assert all(abs(count / 6000 - 1 / 6) < 0.03 for count in replaced.values())
    inserted = Counter(tuple(s[:4]) for s, n in zip(changed.tolist(), left.tolist()) if n == 4)
    assert set(inserted) == {(*s[:i], x, *s[i:]) for s in [(0, 1, 2)] for i in range(4) for x in range(3)}
    full, _ = edit(string, three, three, one, 3, seeded())
    assert not any(s[3] for s in full.tolist())


def levenshtein(a, b):
    row = [*range(len(b) + 1)]
    for i, x in enumerate(a, 1):
        last, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
    return row[-1]


def test_half_of_the_negatives_are_near_the_language():
    """Random strings of 30 symbols hardly ever have one mark; strings of the language after one edit often do."""
    language = LANGUAGES["marked-copy"]()
    string, length = draw_negatives(language, torch.full((1000,), 30), seeded())
    inside = torch.arange(string.shape[1]) < length.unsqueeze(1)
    marks = ((string == 2) & inside).sum(1)
    assert 0.35 < float((marks <= 2).float().mean()) < 0.65
    assert not language.contains(string, length).any()


class Everything(Language):
    symbols = ("a", "b")
    shortest = 1

    def draw(self, length, generator):
        return torch.zeros(len(length), int(length.max()), dtype=torch.int64)

    def contains(self, string, length):
        return torch.ones_like(length, dtype=torch.bool)


class OnlyA(Everything):
    def contains(self, string, length):
        return ((string == 0) | (torch.arange(string.shape[1]) >= length.unsqueeze(1))).all(1)


def test_a_language_of_ones_own():
    task = Recognition(language=OnlyA())
    for string, answer, _ in decode(task, task.sample(50, 6, seeded())):
        assert answer == ["no" if "b" in string else "yes"]
    with pytest.raises(ValueError, match="100 rounds of candidates left a sequence without one"):
        Recognition(language=Everything()).sample(8, 3, seeded())


def test_a_language_that_there_is_not_is_named():
    with pytest.raises(ValueError, match=r"language is 'dyck'; give one of majority, .*; did you mean dyck-2-3"):
        Recognition(language="dyck")
