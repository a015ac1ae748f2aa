"""A grammar whose verbs do not show their number: the tag of each is that of its subject, however far back."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_evaluation_lengths, check_range, expand_counts
from memnets_tasks.base import Batch
from memnets_tasks.language.sequences import Example, SymbolNames

_NOUNS = ("boy", "girl", "dog", "king", "doctor", "author", "pilot", "friend")
_VERBS = ("met", "saw", "liked", "heard", "followed", "helped")
_ADJECTIVES = ("old", "tall", "quiet", "happy")
_PREPOSITIONS = ("near", "behind", "beside", "with")
TAGS = ("DET", "ADJ", "NOUN-SG", "NOUN-PL", "PREP", "THAT", "VERB-SG", "VERB-PL")


@final
class AgreementTagging(SymbolNames):
    """Tag each word of a sentence with its part of speech, and nouns and verbs with their number.

    Verbs look alike in both numbers: "the boys that the girl near the dogs met laughed" has VERB-SG for "met", whose
    subject is the girl, and VERB-PL for the last. Relative clauses stand within one another, so that verbs find their
    subjects in the opposite order, and nouns between, some of the other number, attract. The length is the number of
    relative clauses.

    Args:
        min_length: Fewest relative clauses in training.
        max_length: Most relative clauses in training.
        evaluation_lengths: Relative clauses of the sentences that are tested on.

    Raises:
        ValueError: A length is out of range.
    """

    def __init__(self, min_length: int = 1, max_length: int = 2, evaluation_lengths: Sequence[int] = (1, 2, 4)) -> None:
        check_range("min_length", min_length, "max_length", max_length, minimum=1)
        self.min_length, self.max_length = min_length, max_length
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=1)
        self.length_unit = "relative clauses"
        nouns = (form for noun in _NOUNS for form in (noun, f"{noun}s"))
        self.name_symbols(("the", "that", *nouns, *_VERBS, *_ADJECTIVES, *_PREPOSITIONS), TAGS)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw sentences; see :class:`memnets_tasks.Task`."""
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        shape = (batch_size, int(lengths.max()) + 1, 8)
        drawn = torch.randint(2**31, shape, generator=generator, device=device).tolist()
        return self.encode([_sentence(rows[: n + 1]) for n, rows in zip(lengths.tolist(), drawn)]).to(device)

    def slice_masks(self, batch: Batch) -> dict[str, Tensor]:
        """The verbs, which alone take memory."""
        is_verb = batch.targets >= TAGS.index("VERB-SG")
        return {"verbs": is_verb & batch.mask}


def _sentence(drawn: Sequence[Sequence[int]]) -> Example:
    """Noun phrases one within another, then their verbs from the innermost out; eight numbers for each."""
    words: list[tuple[str, str]] = []
    numbers = []
    for n, own in enumerate(drawn):
        words += [("that", "THAT")] if n else []
        numbers.append("PL" if own[0] % 2 else "SG")
        words += _phrase(own[0], own[1], own[2])
        if own[3] % 2:  # a phrase that may attract
            preposition = _PREPOSITIONS[own[4] % len(_PREPOSITIONS)]
            words += [(preposition, "PREP"), *_phrase(own[5], own[6], 1)]
    words += [(_VERBS[own[7] % len(_VERBS)], f"VERB-{number}") for own, number in zip(drawn[::-1], numbers[::-1])]
    return Example(*zip(*words))


def _phrase(number: int, noun: int, adjective: int) -> list[tuple[str, str]]:
    """An article, an adjective or none, and a noun, with their tags."""
    form, tag = ("s", "NOUN-PL") if number % 2 else ("", "NOUN-SG")
    own = [(_ADJECTIVES[adjective // 2 % len(_ADJECTIVES)], "ADJ")] if adjective % 2 == 0 else []
    return [("the", "DET"), *own, (_NOUNS[noun % len(_NOUNS)] + form, tag)]
