"""Pairs of sentences from a file with tabs between, as of Tatoeba and the PyTorch tutorial on translation."""

import copy
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_evaluation_lengths, expand_counts
from memnets_tasks.base import FiniteTask, Splits
from memnets_tasks.language.pairs import PairBatch, TranslationTask, Words

MOST_BYTES = 1 << 28
PARTS = ("train", "validation", "test")
HELD_OUT = 20
"""One sentence of so many is kept for validation, and one for the test."""


class _Pairs(NamedTuple):
    vocabulary: tuple[str, ...]
    parts: dict[str, list[tuple[Words, Words]]]
    skipped: dict[str, int]


def words_of(text: str) -> Words:
    """A sentence as words: lower case, in the composed form, each sign of punctuation a word of its own."""
    return tuple(re.findall(r"\w+(?:['\u2019]\w+)*|[^\w\s]", unicodedata.normalize("NFC", text).lower()))


@lru_cache(maxsize=4)
def _load(path: str, swap: bool, min_word_count: int, max_words: int) -> _Pairs:
    from memnets.base.regular_files import UnusableFile, read_regular

    try:
        lines = read_regular(Path(path).expanduser(), MOST_BYTES).decode("utf-8").removeprefix("\ufeff").splitlines()
    except (UnusableFile, UnicodeDecodeError) as error:
        reason = "is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ValueError(f"{path} {reason}; give a UTF-8 file of lines with a tab between the two sentences") from error
    skipped: Counter[str] = Counter()
    pairs: dict[tuple[Words, Words], None] = {}
    way = slice(None, None, -1) if swap else slice(None)
    for line in filter(None, lines):
        fields = line.split("\t")
        pair = tuple(words_of(field) for field in fields[:2])[way]
        if len(fields) < 2:
            skipped["no tab"] += 1
        elif not all(pair):
            skipped["an empty sentence"] += 1
        elif max(map(len, pair)) > max_words:
            skipped[f"over {max_words} words"] += 1
        elif pair in pairs:
            skipped["there already"] += 1
        else:
            pairs[pair[0], pair[1]] = None
    parts: dict[str, list[tuple[Words, Words]]] = {part: [] for part in PARTS}
    numbers: dict[Words, int] = {}
    for pair in pairs:
        n = numbers.setdefault(pair[0], len(numbers) + 1)  # all translations of a sentence are in one part
        parts["validation" if n % HELD_OUT == HELD_OUT // 2 else "test" if n % HELD_OUT == 0 else "train"].append(pair)
    empty = [part for part in PARTS if not parts[part]]
    if empty:
        raise ValueError(
            f"{path} has {len(pairs)} pairs that can be used ({dict(skipped)} left out), none of which is left for the "
            f"{empty[0]}: give at least {HELD_OUT} different sources"
        )
    counts = Counter(word for source, target in parts["train"] for word in (*source, *target))
    words = tuple(word for word, count in counts.most_common() if count >= min_word_count)
    if not words:
        raise ValueError(f"min_word_count is {min_word_count}, but no word of {path} is as frequent: give less")
    return _Pairs(words, parts, dict(skipped))


@final
class TranslationFiles(FiniteTask, TranslationTask):
    """Translate the sentences of a file, one pair a line with a tab between; what follows a second tab is passed over.

    Words are lower-case; each sign of punctuation is one. Every twentieth source is kept for validation with all of its
    translations, and every twentieth for the test; a pair that comes again counts once. The length is the number of
    words of the source; of a length that no pair has, the nearest is drawn.

    Args:
        path: The file, in UTF-8.
        swap: Translate the second sentence into the first.
        min_word_count: Words seen less often in training are unknown.
        max_words: Pairs with a longer sentence are left out.
        evaluation_lengths: Words of the sentences that are tested on.

    Raises:
        ValueError: The file cannot be read, or has fewer than twenty sources; the message says what was left out.
    """

    def __init__(
        self,
        path: str,
        swap: bool = False,
        min_word_count: int = 2,
        max_words: int = 30,
        evaluation_lengths: Sequence[int] = (4, 8),
    ) -> None:
        check_at_least("min_word_count", min_word_count, 1)
        check_at_least("max_words", max_words, 1)
        self._data = _load(path, swap, min_word_count, max_words)
        self.vocabulary = self._data.vocabulary
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=1)
        self.length_unit = "words"
        self._take("train")
        self.min_length, self.max_length = int(self._lengths.min()), int(self._lengths.max())

    def _take(self, part: str) -> None:
        self.split = part
        self._pairs = self._data.parts[part]
        self._lengths = torch.tensor([len(source) for source, _ in self._pairs])

    def splits(self) -> Splits:
        """The pairs that are kept from training."""
        validation, test = copy.copy(self), copy.copy(self)
        validation._take("validation")
        test._take("test")
        return Splits(validation, test)

    @property
    def skipped(self) -> dict[str, int]:
        """Lines that could not be used, by reason."""
        return self._data.skipped

    def __len__(self) -> int:
        """Pairs of the part."""
        return len(self._pairs)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> PairBatch:
        """Draw pairs whose source has the length, or the nearest there is; see :class:`memnets_tasks.Task`."""
        lengths = expand_counts("length", length, batch_size, generator.device, minimum=1, unit=self.length_unit)
        draws = torch.rand(batch_size, generator=generator, device=generator.device, dtype=torch.float64).tolist()
        chosen = []
        for wanted, draw in zip(lengths.tolist(), draws):
            away = (self._lengths - wanted).abs()
            nearest = (away == away.min()).nonzero().flatten()
            chosen.append(int(nearest[int(draw * len(nearest))]))
        return self._batch(chosen)

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Lengths as often as the part's pairs have them, so that each pair is as likely as any other."""
        longest = self.max_length if max_length is None else max_length
        if longest < self.min_length:
            return super().sample_lengths(batch_size, generator, max_length)  # which says so
        lengths = self._lengths[self._lengths <= longest].clamp(self.min_length, self.max_length)
        lengths = lengths if len(lengths) else torch.tensor([self.min_length])
        drawn = torch.randint(len(lengths), (batch_size,), generator=generator, device=generator.device)
        return lengths.to(generator.device)[drawn]

    def batches(self, batch_size: int) -> Iterator[PairBatch]:
        """Every pair of the part once, in order."""
        for start in range(0, len(self), batch_size):
            yield self._batch(range(start, min(start + batch_size, len(self))))

    def _batch(self, chosen: Sequence[int]) -> PairBatch:
        return PairBatch(*(tuple(self._pairs[n][side] for n in chosen) for side in range(2)))
