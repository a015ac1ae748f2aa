"""Characters of a text: its parts, streams that go on, what is scored, and the n-grams beside it."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch

from memnets_tasks import Characters, generator
from memnets_tasks.language import InterpolatedNGrams


def random(seed=0):
    return generator(seed, "test", 0)


def folder_of(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(tmp_path)


def test_streams_go_on_where_they_left_off_and_read_all_of_the_text():
    task = Characters(text="abcdefghijk", length=4, evaluation_lengths=(4,))
    pieces = [task.piece(3, step, random()) for step in range(4)]
    for before, after in itertools.pairwise(pieces):
        assert torch.equal(before.targets[:, -1], after.inputs[:, 0])
    for piece in pieces:
        assert torch.equal(piece.inputs[:, 1:], piece.targets[:, :-1])
        assert piece.mask.all()
    read = torch.cat([piece.inputs for piece in pieces[:1]], dim=1)
    assert sorted(read.flatten().tolist()) == sorted(range(12))  # 3 streams of 4 are all 11 characters and the end
    again = task.piece(3, 2, random())
    assert torch.equal(again.inputs, pieces[2].inputs)
    assert len({tuple(task.piece(3, 2, random(seed)).inputs[0].tolist()) for seed in range(9)}) > 3


def test_whole_files_are_held_out_where_there_are_enough(tmp_path):
    names = [f"{n:02}.txt" for n in range(40)]
    task = Characters(
        folder_of(tmp_path, {name: chr(0x4E00 + n) * 30 for n, name in enumerate(names)} | {"a.bin": "no"}), length=2
    )
    shown = {part: set(other.show(other._tape)) - {"\n"} for part, other in zip(("v", "t"), task.splits())}
    assert shown == {"v": {chr(0x4E00 + n) for n in (9, 29)}, "t": {chr(0x4E00 + n) for n in (19, 39)}}
    assert set(task.show(task._tape)).isdisjoint(shown["v"] | shown["t"])
    assert task.vocabulary == len(task.charset) + 1 == 41


def test_of_a_single_file_the_end_is_held_out(tmp_path):
    text = "".join(f"{n:03}\n" for n in range(300))
    path = tmp_path / "numbers.txt"
    path.write_text(text)
    task = Characters(str(path), min_count=1, length=4)
    validation, test, _ = task.splits()
    assert task.show(task._tape) + validation.show(validation._tape) + test.show(test._tape) == text + "\n"
    assert len(validation) == len(test) == 1201 // 20


def test_rare_characters_are_one_unknown_character(tmp_path):
    task = Characters(folder_of(tmp_path, {"a.txt": "aaaa\r\nbbbb\nÅÖ"}), min_count=2, length=2)
    assert sorted(task.charset) == ["\n", "a", "b", "\N{REPLACEMENT CHARACTER}"]
    assert task.show(task._tape) == "aaaa\nbbbb\n\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\n"


def test_the_library_of_python_is_the_text_by_default():
    task = Characters(max_characters=20_000)
    assert {"class", "def", "return"} <= set(task.show(task._tape).split())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "nowhere.txt"}, "nowhere.txt is not there; give a file or folder"),
        ({"path": "a", "text": "b"}, "path is 'a' and text 'b'; give one"),
        ({"text": ""}, "holds nothing to read"),
        ({"text": "ab", "length": 1}, "length is 1; give a whole number of at least 2"),
        ({"text": "ab", "ngram_order": -1}, "ngram_order is -1"),
        ({"text": "".join(map(chr, range(0x4E00, 0x5600)))}, "ngram_order is 6, but of 2,048 characters .* at most 5"),
        ({"max_characters": 0}, "max_characters is 0"),
    ],
)
def test_what_cannot_be_read_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Characters(**settings)


def test_a_folder_without_text_says_why(tmp_path):
    with pytest.raises(ValueError, match=r"holds nothing to read \(1 is no UTF-8\)"):
        Characters(folder_of(tmp_path, {"a.txt": b"\xff\xfe\x00", "b.bin": "text"}))


def test_bits_are_those_of_the_second_half():
    task = Characters(text="abc", length=6)
    batch = task.sample(5, 6, random())
    assert batch.mask.tolist() == [[False] * 3 + [True] * 3] * 5
    logits = torch.zeros(5, 6, 4)
    assert task.scores(logits, batch)["bits"] == pytest.approx(2.0)
    logits[:, 3:] = torch.nn.functional.one_hot(batch.targets[:, 3:], 4) * 100.0
    assert task.errors(logits, batch).abs().max() < 1e-5
    assert task.scores(logits, batch)["accuracy"] == 1
    logits[:, :3] = math.nan
    assert task.loss(logits, batch).isfinite()


def slow_ngrams(text, vocabulary, order, history, character):
    """Witten-Bell by the formula, counted anew."""
    chance = 1 / vocabulary
    for n in range(1, order + 1):
        if n - 1 > len(history):
            break
        context = tuple(history[len(history) - (n - 1) :])
        followers = Counter(
            text[place + n - 1] for place in range(len(text) - n + 1) if tuple(text[place : place + n - 1]) == context
        )
        if followers:
            total, kinds = sum(followers.values()), len(followers)
            chance = (followers[character] + kinds * chance) / (total + kinds)
    return chance


def test_what_each_character_cost_is_drawn():
    task = Characters(text="abcab", length=4, evaluation_lengths=(4,))
    batch = task.sample(1, 4, generator(0, "test", 0))
    (figure,) = task.figures(batch, torch.zeros(1, 4, task.output_size), None).values()
    axes = figure.axes[0]
    assert "".join(text.get_text() for text in axes.texts) == task.show(batch.inputs[0, 1:]) + task.show(
        batch.targets[0, -1:]
    )
    colours = [patch.get_facecolor() for patch in axes.patches]
    assert colours[0] == colours[1] != colours[2] == colours[3]  # the first half is only read


@pytest.mark.parametrize("order", [1, 2, 4])
def test_ngrams_are_those_of_a_loop(order):
    drawn = np.random.default_rng(order)
    text = drawn.integers(0, 3, 60)
    model = InterpolatedNGrams(torch.from_numpy(text), 4, order)
    shown, wanted = torch.from_numpy(drawn.integers(0, 4, (2, 2, 7)))
    bits = model.bits(shown, wanted)
    for b in range(2):
        for t in range(7):
            history = shown[b, : t + 1].tolist()
            expected = slow_ngrams(text.tolist(), 4, order, history, int(wanted[b, t]))
            assert float(bits[b, t]) == pytest.approx(-math.log2(expected)), (b, t)


def test_ngrams_are_a_distribution_and_know_what_they_saw():
    model = InterpolatedNGrams(torch.tensor([1, 2, 3] * 50), 5, 3)
    history = torch.tensor([[3, 1]] * 5)
    chances = 2 ** -model.bits(history, torch.arange(5).unsqueeze(1).expand(5, 2))[:, 1]
    assert float(chances.sum()) == pytest.approx(1)
    assert float(chances[2]) > 0.9
    with pytest.raises(ValueError, match=r"order is 40, but must lie within 1..27 for 5 characters"):
        InterpolatedNGrams(torch.tensor([1]), 5, 40)


def test_the_test_is_scored_beside_ngrams_of_the_training_text():
    task = Characters(text="abcabd" * 20, length=8, ngram_order=3)
    test = task.splits().test
    batch = test.sample(4, 16, random())
    scores = test.corpus_scores([(torch.zeros(4, 16, task.vocabulary), batch)])
    assert scores.keys() == {"bits", "accuracy", "ngram_bits"}
    assert 0.1 < scores["ngram_bits"] < 0.7 < scores["bits"]
    assert "ngram_bits" not in task.scores(torch.zeros(4, 16, task.vocabulary), batch)
