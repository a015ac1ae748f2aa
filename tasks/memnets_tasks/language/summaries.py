"""Summarising: a long account of who went where, into where each is at last."""

from collections.abc import Sequence
from typing import final

from memnets_tasks._checks import check_evaluation_lengths, check_range
from memnets_tasks.language.pairs import GeneratedPairs, Words

_NAMES = ("anna", "ben", "clara", "david", "emma", "felix")
_PLACES = ("kitchen", "garden", "office", "hallway", "cellar", "attic")
_MOVES = ("went to the", "moved to the", "walked to the", "is now in the")


@final
class Summaries(GeneratedPairs):
    """Of an account of who went where, sentence by sentence, say where each is at last, in the order they came up.

    "anna went to the attic . ben moved to the office . anna is now in the cellar ." becomes "anna cellar ben office".
    The length is the number of sentences.

    Args:
        min_length: Fewest sentences of a training account.
        max_length: Most sentences of a training account.
        evaluation_lengths: Sentences of the accounts that are tested on.

    Raises:
        ValueError: A length is out of range.
    """

    draws = 3

    def __init__(
        self, min_length: int = 1, max_length: int = 8, evaluation_lengths: Sequence[int] = (4, 8, 12)
    ) -> None:
        check_range("min_length", min_length, "max_length", max_length, minimum=1)
        self.min_length, self.max_length = min_length, max_length
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=1)
        self.length_unit = "sentences"
        self.vocabulary = (*_NAMES, *_PLACES, *dict.fromkeys(" ".join(_MOVES).split()), ".")

    def pair(self, length: int, drawn: Sequence[int]) -> tuple[Words, Words]:
        """An account and its summary."""
        account: list[str] = []
        last: dict[str, str] = {}
        for n in range(length):
            who, move, where = (words[d % len(words)] for words, d in zip((_NAMES, _MOVES, _PLACES), drawn[3 * n :]))
            account += [who, *move.split(), where, "."]
            last[who] = where
        return tuple(account), tuple(word for pair in last.items() for word in pair)
