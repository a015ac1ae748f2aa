"""Words of text lines: made up, listed in files, and split without overlap."""

import unicodedata

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets_tasks.images import TextLines, fonts, pseudo_words, words


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestWords:
    def test_pseudo_words(self):
        found = pseudo_words(500)
        assert len(set(found)) == 500
        assert found == pseudo_words(500) != pseudo_words(500, seed=1)
        assert all(word.isascii() and word.islower() and word.isalpha() for word in found)
        with pytest.raises(ValueError, match="count is 0; give 1 to 100000"):
            pseudo_words(0)

    def test_mixed_words_have_every_printable_character(self):
        found = words.mixed_words()
        assert len(set(found)) == 4000
        assert found == words.mixed_words() != words.mixed_words(seed=1)
        for split in ("train", "validation", "test"):
            own = [word for word in found if words.split_of(word) == split]
            assert len(set("".join(own)) & set(fonts.PRINTABLE)) >= (94 if split == "train" else 85)
        assert 0.35 < np.mean([word.islower() and word.isalpha() for word in found]) < 0.5
        task = TextLines(words="mixed")
        assert task.charset == fonts.PRINTABLE + " "
        assert not set("".join(task.sample(8, 12, seeded()).texts)) - set(task.charset)

    def test_western_words_have_every_letter_of_western_europe(self):
        found = words.western_words()
        assert found == words.western_words() != words.western_words(seed=1)
        train = "".join(word for word in found if words.split_of(word) == "train")
        assert min(train.count(letter) for letter in fonts.WESTERN) >= 5
        assert 0.15 < np.mean([not word.isascii() for word in found]) < 0.35
        assert TextLines(words="western").charset == fonts.PRINTABLE + fonts.WESTERN + " "

    def test_test_words_are_never_trained_on(self):
        tasks = [TextLines(words="generated", split=split) for split in ("train", "validation", "test")]
        assert {task.charset for task in tasks} == {fonts.PRINTABLE + " "}
        seen = {task.split: set() for task in tasks}
        for task in tasks:
            for seed in range(20):
                for text in task.sample(16, 14, seeded(seed)).texts:
                    seen[task.split].update(text.split())
        assert len(seen["train"]) > 200
        assert min(len(seen["test"]), len(seen["validation"])) > 50
        assert not seen["train"] & seen["test"] | seen["train"] & seen["validation"] | seen["test"] & seen["validation"]
        for split in ("validation", "test"):
            assert 0.08 < np.mean([words.split_of(word) == split for word in pseudo_words()]) < 0.12

    def test_the_split_is_that_of_every_machine(self):
        """Python's own hash of a string is another in each process."""
        for tenth, split in enumerate(("test", "validation")):
            assert [word for word in pseudo_words(60) if words.split_of(word) == split] == [
                word for word in pseudo_words(60) if __import__("zlib").crc32(word.encode()) % 10 == tenth
            ]
        assert words.split_of("é") == words.split_of(unicodedata.normalize("NFD", "é"))

    @settings(max_examples=25, deadline=None)
    @given(
        st.sets(st.text("xyz", min_size=1, max_size=6), min_size=1, max_size=5),
        st.integers(1, 20),
        st.sampled_from(["", " ", "--"]),
    )
    def test_lengths_are_exact_where_they_can_be(self, some, length, separator):
        lines = words.WordLines(sorted(some), separator)
        text = lines.draw(length, np.random.default_rng(length))
        reachable = {0}
        for _ in range(length + 1):  # lengths with one more separator in front
            reachable |= {r + len(word) + len(separator) for r in reachable for word in some if r + len(word) <= length}
        exact = {r - len(separator) for r in reachable if r}
        wanted = max((n for n in exact if n <= length), default=min(map(len, some)))
        assert len(text) == wanted
        if separator:
            assert set(text.split(separator)) <= some

    def test_every_word_is_as_likely_as_another_of_its_line(self):
        lines = words.WordLines(["aa", "bb", "cc"], " ")
        random = np.random.default_rng(0)
        drawn = [lines.draw(2, random) for _ in range(600)]
        assert all(150 < drawn.count(word) < 250 for word in ("aa", "bb", "cc"))

    def test_files(self, tmp_path):
        path = tmp_path / "words.txt"
        path.write_bytes("\ufeffcafe\u0301\r\n\nnaïve\ncafé\n".encode())
        assert words.load_words(str(path)) == ["café", "naïve"]
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(ValueError, match="which is not UTF-8"):
            words.load_words(path)
        with pytest.raises(ValueError, match=r"missing.txt', which is not there; give a file"):
            words.load_words(tmp_path / "missing.txt")
        with pytest.raises(ValueError, match="which is no regular file; give a file"):
            words.load_words("/dev/zero")
        with pytest.raises(ValueError, match=r"the word '.*' has more than 30 combining marks in a row; leave it out"):
            words.load_words(["e" + "\u0301" * 31])
        with pytest.raises(ValueError, match="words holds no word"):
            words.load_words([" "])
        with pytest.raises(ValueError, match="words holds True, which is no string"):
            words.load_words(["on", True])  # type: ignore[list-item]

    def test_a_word_outside_the_charset(self):
        with pytest.raises(ValueError, match=r"the word 'naïve' has 'ï', which the charset has not"):
            TextLines(words=["naive", "naïve"], charset="aeinv")

    def test_no_word_for_the_split(self):
        (word,) = [word for word in ("ba", "ca", "da") if words.split_of(word) == "train"][:1]
        with pytest.raises(ValueError, match="none of the 1 words belongs to the split 'test'"):
            TextLines(words=[word], split="test")
