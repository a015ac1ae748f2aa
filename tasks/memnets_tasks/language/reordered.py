"""A language pair that reorders: adjectives move behind their noun, verbs to the end, clauses change places."""

import copy
from collections.abc import Sequence
from typing import NamedTuple, final

from memnets_tasks._checks import check_evaluation_lengths, check_range
from memnets_tasks.base import Splits
from memnets_tasks.language.pairs import GeneratedPairs, Words


class _Noun(NamedTuple):
    """A noun, its translation, and the article that goes with that."""

    source: str
    target: str
    article: str


_NOUNS = tuple(
    _Noun(source, target, ("lo", "na")[n % 2])
    for n, (source, target) in enumerate(
        zip(
            ("dog", "cat", "bird", "horse", "child", "woman", "teacher", "king", "fish", "house", "tree", "apple"),
            ("koru", "misa", "velo", "tanka", "pilu", "sera", "dominu", "regala", "usu", "kasa", "dreno", "pomila"),
        )
    )
)
_ADJECTIVES = tuple(
    zip(
        ("small", "old", "red", "happy", "quiet", "strange", "young", "blue"),
        ("tine", "vete", "roje", "feli", "sile", "mire", "june", "azule"),
    )
)
_VERBS = tuple(
    zip(
        ("sees", "hears", "finds", "likes", "follows", "paints"),
        ("vidat", "udat", "trovat", "amat", "sekat", "pintat"),
    )
)
_AND, _BECAUSE = ("and", "je"), ("because", "kar")
HELD_OUT = 5
"""One of so many pairs of adjective and noun is never trained on."""


@final
class ReorderedLanguage(GeneratedPairs):
    """Translate English sentences of a small grammar into a made-up language of another order.

    Each clause is subject, verb, object, each of the last two with an article and up to two adjectives. In the other
    language adjectives stand behind their noun and the article, which agrees with the noun, behind these; the verb
    stands last. Clauses joined by "and" keep their order; after "because" comes what is put first. The length is the
    number of clauses.

    Some pairs of adjective and noun are never trained on; ``splits().unseen`` has sentences with one in each clause.

    Args:
        min_length: Fewest clauses of a training sentence.
        max_length: Most clauses of a training sentence.
        evaluation_lengths: Clauses of the sentences that are tested on.

    Raises:
        ValueError: A length is out of range.
    """

    draws = 12

    def __init__(self, min_length: int = 1, max_length: int = 2, evaluation_lengths: Sequence[int] = (1, 2, 3)) -> None:
        check_range("min_length", min_length, "max_length", max_length, minimum=1)
        self.min_length, self.max_length = min_length, max_length
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=1)
        self.length_unit = "clauses"
        english = ("the", *(n.source for n in _NOUNS), *(s for s, _ in (*_ADJECTIVES, *_VERBS, _AND, _BECAUSE)))
        other = ("lo", "na", *(n.target for n in _NOUNS), *(t for _, t in (*_ADJECTIVES, *_VERBS, _AND, _BECAUSE)))
        self.vocabulary = (*english, *other)
        self._unseen = False

    def splits(self) -> Splits:
        """New sentences, and those with pairs of adjective and noun that training leaves out."""
        unseen = copy.copy(self)
        unseen._unseen = True
        return Splits(self, self, {"unseen pairs of adjective and noun": unseen})

    def pair(self, length: int, drawn: Sequence[int]) -> tuple[Words, Words]:
        """A sentence and its translation."""
        numbers = iter(drawn)
        source, target = self._clause([next(numbers) for _ in range(self.draws)])
        for _ in range(length - 1):
            own = [next(numbers) for _ in range(self.draws)]
            more, translated = self._clause(own)
            joint = (_AND, _BECAUSE)[own[-1] % 2]
            source = (*source, joint[0], *more)
            target = (*target, joint[1], *translated) if joint is _AND else (joint[1], *translated, *target)
        return source, target

    def _clause(self, drawn: Sequence[int]) -> tuple[Words, Words]:
        subject, subject_translated = self._phrase(drawn[:4], drawn[9] % 2 == 0)
        thing, thing_translated = self._phrase(drawn[4:8], drawn[9] % 2 == 1)
        verb, verb_translated = _VERBS[drawn[8] % len(_VERBS)]
        return (*subject, verb, *thing), (*subject_translated, *thing_translated, verb_translated)

    def _phrase(self, drawn: Sequence[int], has_pair: bool) -> tuple[Words, Words]:
        """An article, adjectives and a noun; of sentences of unseen pairs, with one where ``has_pair``."""
        number = drawn[0] % len(_NOUNS)
        noun, count = _NOUNS[number], drawn[1] % 3
        usual = [a for n, a in enumerate(_ADJECTIVES) if (n + number) % HELD_OUT]
        first = usual
        if self._unseen and has_pair:
            first, count = [a for n, a in enumerate(_ADJECTIVES) if (n + number) % HELD_OUT == 0], max(count, 1)
        pair = (first[drawn[2] % len(first)], usual[drawn[3] % len(usual)])
        chosen = tuple(dict.fromkeys(pair[:count]))
        source = ("the", *(a for a, _ in chosen), noun.source)
        return source, (noun.target, *(a for _, a in chosen), noun.article)
