"""Recognition: say of a string whether it is in a formal language."""

from typing import final

import torch
from torch import Tensor

from memnets.base.errors import suggest
from memnets_tasks.formal.recognition.addition import BinaryAddition
from memnets_tasks.formal.recognition.language import Language
from memnets_tasks.formal.recognition.negatives import draw_negatives, draw_positives
from memnets_tasks.formal.recognition.pairs import (
    BucketSort,
    MarkedCopy,
    MarkedReversal,
    MissingDuplicate,
    OddsFirst,
    UnmarkedCopy,
    UnmarkedReversal,
)
from memnets_tasks.formal.recognition.regular import CycleNavigation, Dyck, Majority, Parity
from memnets_tasks.formal.symbols import Exercise, StringTask

LANGUAGES: dict[str, type[Language]] = {
    "majority": Majority,
    "parity": Parity,
    "cycle-navigation": CycleNavigation,
    "dyck-2-3": Dyck,
    "marked-copy": MarkedCopy,
    "unmarked-copy": UnmarkedCopy,
    "marked-reversal": MarkedReversal,
    "unmarked-reversal": UnmarkedReversal,
    "missing-duplicate": MissingDuplicate,
    "odds-first": OddsFirst,
    "binary-addition": BinaryAddition,
    "bucket-sort": BucketSort,
}
"""The languages by name."""


@final
class Recognition(StringTask):
    """Whether a string is in a formal language: a string, then one empty step in which to say "no" or "yes".

    Butoi et al. 2025, "Training Neural Networks as Recognizers of Formal Languages" (FLaRe, arXiv:2411.07107). Half of
    the strings are drawn from the language, the others are not in it: see ``draw_negatives``. Of ``length`` n, strings
    of the language have the greatest number of symbols up to n that one can have, or the fewest of all; other strings
    have n symbols, or up to n where they are edited ones. Chance is 50 %.

    Args:
        language: Its name, one of ``LANGUAGES``, or one of your own, a ``Language``.
        min_length: Fewest symbols in training.
        max_length: Most symbols in training; the paper has 40.
        evaluation_lengths: Symbols at which generalisation is measured; the paper goes to 500.

    Raises:
        ValueError: If there is no such language; a length is below 1, or ``max_length`` is below ``min_length``.
    """

    answers = ("no", "yes")

    def __init__(
        self,
        *,
        language: str | Language = "parity",
        min_length: int = 1,
        max_length: int = 40,
        evaluation_lengths: tuple[int, ...] = (40, 100, 200, 300, 400, 500),
    ) -> None:
        if isinstance(language, str):
            if language not in LANGUAGES:
                known = ", ".join(LANGUAGES)
                raise ValueError(f"language is {language!r}; give one of {known}{suggest(language, LANGUAGES)}")
            language = LANGUAGES[language]()
        self.language = language
        self.symbols = language.symbols
        super().__init__(min_length=min_length, max_length=max_length, evaluation_lengths=evaluation_lengths)

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw labels, strings of the language, and strings that are not."""
        limit = length.clamp_min(self.language.shortest)
        positive = random_labels(len(length), generator)
        string, drawn = length.new_zeros(len(length), int(limit.max())), torch.empty_like(length)
        for label, draw in ((True, draw_positives), (False, draw_negatives)):
            rows = (positive == label).nonzero().squeeze(1)
            if len(rows):
                some, size = draw(self.language, limit[rows], generator)
                string[rows, : some.shape[1]], drawn[rows] = some, size
        one = torch.ones_like(length)
        return Exercise(string, drawn, positive.long().unsqueeze(1), one, one)


def random_labels(count: int, generator: torch.Generator) -> Tensor:
    """Which strings are to be of the language, each with a chance of one half: ``(B,)``, bool."""
    return torch.randint(2, (count,), generator=generator, device=generator.device).bool()
