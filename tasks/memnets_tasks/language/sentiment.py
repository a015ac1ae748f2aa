"""A language of opinions whose label takes negation, and a memory of what the opinion is to be about."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_evaluation_lengths, check_range, expand_counts
from memnets_tasks.base import Batch
from memnets_tasks.language.sequences import Example, SymbolNames

_ASPECTS = ("music", "acting", "story", "ending", "camera", "dialogue", "cast", "pace")
_GOOD = ("good", "great", "moving", "clever", "lovely")
_BAD = ("bad", "dull", "weak", "awful", "clumsy")
_FRAMES = (("the", "{}", "is"), ("i", "found", "the", "{}"), ("everyone", "says", "the", "{}", "is"))
_NOT = ("not", "never")
_FILLERS = ("really", "quite", "rather", "somewhat", "to", "me")
_FIRST = ("i", "only", "care", "about", "the")


@final
class Sentiment(SymbolNames):
    """Say whether a review is good or bad for someone who cares about one thing alone, which its first sentence names.

    "i only care about the story . the music is great . i found the story not quite never dull ." is "bad": each "not"
    and "never" before an opinion turns it around, and what is said of other things does not matter. Reviews are half
    good and half bad whatever words they hold, so that counting words is chance. The length is the number of sentences
    after the first.

    Args:
        min_length: Fewest sentences in training.
        max_length: Most sentences in training.
        evaluation_lengths: Sentences of the reviews that are tested on, up to eight.

    Raises:
        ValueError: A length is out of range.
    """

    threshold = 0.02

    def __init__(self, min_length: int = 1, max_length: int = 4, evaluation_lengths: Sequence[int] = (2, 4, 8)) -> None:
        check_range("min_length", min_length, "max_length", max_length, minimum=1)
        self.min_length, self.max_length = min_length, max_length
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=1)
        self.length_unit = "sentences"
        _check_longest(max(max_length, *self.evaluation_lengths))
        framing = (word for frame in _FRAMES for word in frame if word != "{}")
        words = (*_FIRST, ".", *framing, *_ASPECTS, *_GOOD, *_BAD, *_NOT, *_FILLERS)
        self.name_symbols(dict.fromkeys(words), ("bad", "good"))

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw reviews; see :class:`memnets_tasks.Task`."""
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        longest = int(lengths.max())
        _check_longest(longest)
        orders = torch.rand(batch_size, len(_ASPECTS), generator=generator, device=device).argsort(1).tolist()
        drawn = torch.randint(2**31, (batch_size, 1 + 8 * longest), generator=generator, device=device).tolist()
        reviews = [_review(n, order, row) for n, order, row in zip(lengths.tolist(), orders, drawn)]
        return self.encode(reviews).to(device)


def _check_longest(length: int) -> None:
    if length > len(_ASPECTS):
        raise ValueError(f"a length is {length}, but there are {len(_ASPECTS)} things to speak of: give no more")


def _review(length: int, order: Sequence[int], drawn: Sequence[int]) -> Example:
    """A review of ``length`` sentences about the first things of an order, from 1 + 8 numbers a sentence."""
    cared = drawn[0] % length
    words = [*_FIRST, _ASPECTS[order[cared]], "."]
    label = ""
    for n in range(length):
        sentence, is_good = _opinion(_ASPECTS[order[n]], drawn[1 + 8 * n : 9 + 8 * n])
        words += [*sentence, "."]
        label = ("good" if is_good else "bad") if n == cared else label
    return Example(tuple(words), (label,))


def _opinion(aspect: str, drawn: Sequence[int]) -> tuple[list[str], bool]:
    """A sentence, and whether it is good."""
    is_good = drawn[0] % 2 == 1
    words = [aspect if word == "{}" else word for word in _FRAMES[drawn[1] % len(_FRAMES)]]
    for n in range(drawn[2] % 3):
        words += [_NOT[drawn[3 + n] % len(_NOT)], *([_FILLERS[drawn[5] % 4]] if drawn[5] % 2 else [])]
        is_good = not is_good
    kind = _GOOD if drawn[0] % 2 else _BAD
    words.append(kind[drawn[6] % len(kind)])
    return words + (["to", "me"] if drawn[7] % 4 == 0 else []), is_good
