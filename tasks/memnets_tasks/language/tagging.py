"""A grammar whose verbs do not show their number: the tag of each is that of its subject, however far back."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_evaluation_lengths, check_range, expand_counts
from memnets_tasks._pieces import order
from memnets_tasks.base import Batch
from memnets_tasks.language.sequences import SymbolNames

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
        drawn = torch.randint(2**31, shape, generator=generator, device=device).unbind(-1)  # (B, P) each
        phrases = torch.arange(shape[1], device=device)
        there = (phrases <= lengths.unsqueeze(1)).unsqueeze(-1)  # (B, P, 1)
        words, present, tags = (values.view(*shape[:2], -1) for values in self._phrases(*drawn))
        verbs, plural = drawn[7] % len(_VERBS), drawn[0] % 2
        words = torch.cat([words.flatten(1), self._token(_VERBS[0]) + verbs.flip(1)], dim=1)  # the innermost first
        tags = torch.cat([tags.flatten(1), TAGS.index("VERB-SG") + plural.flip(1)], dim=1)
        placed = order(torch.cat([(present & there).flatten(1), there.squeeze(-1).flip(1)], dim=1))
        return Batch(placed.take(words), placed.take(tags), placed.inside, placed.lengths)

    def _phrases(self, *drawn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Words of noun phrases, which there are, and their tags, ``(B, P, 7)`` each, from eight numbers ``(B, P)``.

        "that the old boy near the dogs": the first phrase has no "that", half have no adjective, half nothing near.
        """
        number, noun, adjective, attracts, preposition, other_number, other_noun, _ = drawn
        the, always = torch.full_like(noun, self._token("the")), torch.ones_like(noun, dtype=torch.bool)
        near = attracts % 2 == 1
        is_clause = always.clone()
        is_clause[:, 0] = False
        columns = [
            (torch.full_like(noun, self._token("that")), is_clause, TAGS.index("THAT")),
            (the, always, TAGS.index("DET")),
            (self._token(_ADJECTIVES[0]) + adjective // 2 % len(_ADJECTIVES), adjective % 2 == 0, TAGS.index("ADJ")),
            (self._noun(noun, number), always, TAGS.index("NOUN-SG") + number % 2),
            (self._token(_PREPOSITIONS[0]) + preposition % len(_PREPOSITIONS), near, TAGS.index("PREP")),
            (the, near, TAGS.index("DET")),
            (self._noun(other_noun, other_number), near, TAGS.index("NOUN-SG") + other_number % 2),
        ]
        words, present, tags = zip(*columns)
        tags = [tag if isinstance(tag, Tensor) else torch.full_like(noun, tag) for tag in tags]
        return torch.stack(words, dim=-1), torch.stack(present, dim=-1), torch.stack(tags, dim=-1)

    def _noun(self, noun: Tensor, number: Tensor) -> Tensor:
        return self._token(_NOUNS[0]) + 2 * (noun % len(_NOUNS)) + number % 2

    def _token(self, symbol: str) -> int:
        return self._tokens[symbol]

    def slice_masks(self, batch: Batch) -> dict[str, Tensor]:
        """The verbs, which alone take memory."""
        is_verb = batch.targets >= TAGS.index("VERB-SG")
        return {"verbs": is_verb & batch.mask}
