"""Words to make lines of: a list, a file, or made up; split into those to train on and those to test on."""

import unicodedata
import zlib
from collections.abc import Iterable
from pathlib import Path
from string import digits, punctuation

import numpy as np

from memnets.base.regular_files import UnusableFile, read_regular
from memnets_tasks.images.fonts import PRINTABLE, WESTERN
from memnets_tasks.images.list_files import MAX_BYTES, oversize
from memnets_tasks.images.skipped_items import shown

CHINESE_WORDS = (
    "注意力机制", "注意力", "机制", "神经网络", "循环神经网络", "卷积神经网络", "图灵机", "神经图灵机",
    "记忆", "外部记忆", "读取", "写入", "读头", "写头", "寻址", "内容寻址",
    "位置寻址", "控制器", "编码器", "解码器", "文字识别", "图像描述", "序列到序列", "长短期记忆",
    "梯度", "学习率", "损失函数", "反向传播", "训练", "测试",
)  # fmt: skip
"""Terms of the field in Chinese, the first of them "attention mechanism"; join them without a space."""

_ONSETS = (
    *("b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "l"),
    *("m", "n", "p", "pl", "r", "s", "st", "t", "tr", "v", "w"),
)
_NUCLEI = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_CODAS = ("", "", "", "n", "r", "s", "t", "l", "nd", "st", "ck")


def pseudo_words(count: int = 4000, seed: int = 0) -> list[str]:
    """Made-up words of lower-case letters that can be pronounced, all different, one to three syllables long.

    Args:
        count: How many, at most 100000.
        seed: The same seed gives the same words.

    Raises:
        ValueError: If ``count`` is out of range.
    """
    if not 1 <= count <= 100_000:
        raise ValueError(f"count is {count}; give 1 to 100000 words")
    random = np.random.default_rng(seed)
    words: dict[str, None] = {}
    while len(words) < count:
        parts = [
            _ONSETS[random.integers(len(_ONSETS))]
            + _NUCLEI[random.integers(len(_NUCLEI))]
            + _CODAS[random.integers(len(_CODAS))]
            for _ in range(random.integers(1, 4))
        ]
        words["".join(parts)] = None
    return list(words)


def mixed_words(count: int = 4000, seed: int = 0) -> list[str]:
    """Words of all 94 printable ASCII characters: as ``pseudo_words``, half of them changed, and others beside them.

    Of ten words four are lower-case, two capitalised, one in capitals, one a number, one has a sign of punctuation
    before, after or within it, and one is a string of any of the 94.

    Args:
        count: How many, at most 100000.
        seed: The same seed gives the same words.

    Raises:
        ValueError: If ``count`` is out of range.
    """
    plain = pseudo_words(count, seed)
    random = np.random.default_rng([seed, 94])

    def string(characters: str, longest: int) -> str:
        return "".join(characters[n] for n in random.integers(len(characters), size=random.integers(1, longest + 1)))

    def changed(word: str, kind: int) -> str:
        if kind == 9:
            return string(PRINTABLE, 8)
        if kind == 8:
            place, sign = random.integers(len(word) + 1), punctuation[random.integers(len(punctuation))]
            return word[:place] + sign + word[place:]
        if kind == 7:
            return string(digits, 6)
        return word.upper() if kind == 6 else word.capitalize() if kind >= 4 else word

    words: dict[str, None] = {}
    while len(words) < count:
        words[changed(plain[len(words)], int(random.integers(10)))] = None
    return list(words)


def western_words(count: int = 12000, seed: int = 0) -> list[str]:
    """``mixed_words``, three of ten as Western Europe writes: with one of its letters, or a sign at one end.

    Args:
        count: How many, at most 100000.
        seed: The same seed gives the same words.

    Raises:
        ValueError: If ``count`` is out of range.
    """
    random = np.random.default_rng([seed, 1252])
    large, small = ([letter for letter in WESTERN if change(letter)] for change in (str.isupper, str.islower))

    def changed(word: str) -> str:
        kind = random.integers(20)
        if kind == 0:
            return "£€§¿¡«"[random.integers(6)] + word
        if kind == 1:
            return word + "€°»"[random.integers(3)]
        places = [n for n, letter in enumerate(word) if letter.isalpha()]
        if kind > 5 or not places:
            return word
        word = word.upper() if kind == 2 else word
        place = places[random.integers(len(places))]
        letters = large if word[place].isupper() else small
        return word[:place] + letters[random.integers(len(letters))] + word[place + 1 :]

    return list(dict.fromkeys(changed(word) for word in mixed_words(count, seed)))


def split_of(word: str) -> str:
    """Whether a word is for training, or of the tenth for "validation" or "test": a function of its letters alone."""
    tenth = zlib.crc32(unicodedata.normalize("NFC", word).encode()) % 10
    return {0: "test", 1: "validation"}.get(tenth, "train")


def load_words(words: Iterable[str] | str | Path) -> list[str]:
    """Words in normal form C, without blanks around them, each once.

    Args:
        words: "generated" for ``pseudo_words()``, "mixed" for ``mixed_words()``, "western" for ``western_words()``,
            the path of a UTF-8 file with a word on each line, or words.

    Raises:
        ValueError: If the file is not there or not UTF-8, a word is no string, or there is no word.
    """
    if isinstance(words, (str, Path)):
        made = {"generated": pseudo_words, "mixed": mixed_words, "western": western_words}.get(str(words))
        words = made() if made else _lines(Path(words))
    found = list(words)
    bad = [word for word in found if not isinstance(word, str)]
    if bad:
        raise ValueError(f"words holds {bad[0]!r}, which is no string; in a YAML file put quotes around it")
    for word in found:
        if problem := oversize(word):
            raise ValueError(f"the word {shown(word)!r} {problem}; leave it out")
    cleaned = dict.fromkeys(unicodedata.normalize("NFC", word.strip()) for word in found)
    cleaned.pop("", None)
    if not cleaned:
        raise ValueError(
            "words holds no word; give a list, a file with a word on each line, 'generated', 'mixed' or 'western'"
        )
    return list(cleaned)


def _lines(path: Path) -> list[str]:
    try:
        return read_regular(path, MAX_BYTES).decode("utf-8-sig").split("\n")
    except UnusableFile as error:
        raise ValueError(f"words is {str(path)!r}, which {error}; give a file with a word on each line") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"words is {str(path)!r}, which is not UTF-8 ({error}); convert it") from error


class WordLines:
    """Draws lines of given lengths: words joined by a separator.

    A line has exactly the length asked where the words' lengths allow. Where they do not, it is the longest
    shorter one, and where none is shorter, one of the shortest words.

    Args:
        words: At least one word.
        separator: What stands between words; "" for scripts without spaces.
    """

    def __init__(self, words: Iterable[str], separator: str) -> None:
        self.separator = separator
        self._by_length: dict[int, list[str]] = {}
        for word in words:
            self._by_length.setdefault(len(word), []).append(word)
        self._reachable = [False]  # the empty line ends a line only after a word

    @property
    def shortest(self) -> int:
        """Characters of the shortest word."""
        return min(self._by_length)

    def _can_fill(self, length: int) -> bool:
        gap = len(self.separator)
        while len(self._reachable) <= length:
            n = len(self._reachable)
            rest = (n - size - gap for size in self._by_length)
            self._reachable.append(n in self._by_length or any(r > 0 and self._reachable[r] for r in rest))
        return length > 0 and self._reachable[length]

    def draw(self, length: int, random: np.random.Generator) -> str:
        """A random line of ``length`` characters, or as near as the words allow."""
        while length > 0 and not self._can_fill(length):
            length -= 1
        length = length or self.shortest
        parts: list[str] = []
        while length > 0:
            gap = len(self.separator)
            sizes = [n for n in self._by_length if n == length or self._can_fill(length - n - gap)]
            shares = np.cumsum([len(self._by_length[n]) for n in sizes])
            size = sizes[int(np.searchsorted(shares, random.integers(shares[-1]), side="right"))]
            choices = self._by_length[size]
            parts.append(choices[random.integers(len(choices))])
            length -= size + gap
        return self.separator.join(parts)
