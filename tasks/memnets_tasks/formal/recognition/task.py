"""Recognition: say of a string whether it is in a formal language."""

from typing import final

import torch
from torch import Tensor

from memnets.base.errors import suggest
from memnets_tasks.formal.recognition.addition import BinaryAddition
from memnets_tasks.formal.recognition.language import Language
from memnets_tasks.formal.recognition.negatives import draw_negatives
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
        drawn = self.language.nearest_length(limit)
        string = self.language.draw(drawn, generator)
        string = torch.nn.functional.pad(string, (0, int(limit.max()) - string.shape[1]))
        negative = (~positive).nonzero().squeeze(1)
        if len(negative):
            other, size = draw_negatives(self.language, limit[negative], generator)
            other = torch.nn.functional.pad(other, (0, string.shape[1] - other.shape[1]))
            string, drawn = string.index_copy(0, negative, other), drawn.index_copy(0, negative, size)
        one = torch.ones_like(length)
        return Exercise(string, drawn, positive.long().unsqueeze(1), one, one)


def random_labels(count: int, generator: torch.Generator) -> Tensor:
    """Which strings are to be of the language, each with a chance of one half: ``(B,)``, bool."""
    return torch.randint(2, (count,), generator=generator, device=generator.device).bool()
