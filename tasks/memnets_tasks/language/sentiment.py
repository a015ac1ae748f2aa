"""A language of opinions whose label takes negation, and a memory of what the opinion is to be about."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_evaluation_lengths, check_range, expand_counts
from memnets_tasks._pieces import order
from memnets_tasks.base import Batch
from memnets_tasks.language.sequences import SymbolNames

_ASPECTS = ("music", "acting", "story", "ending", "camera", "dialogue", "cast", "pace")
_GOOD = ("good", "great", "moving", "clever", "lovely")
_BAD = ("bad", "dull", "weak", "awful", "clumsy")
_FRAMES = (("the", "{}", "is"), ("i", "found", "the", "{}"), ("everyone", "says", "the", "{}", "is"))
_NOT = ("not", "never")
_FILLERS = ("really", "quite", "rather", "somewhat", "to", "me")
_FIRST = ("i", "only", "care", "about", "the")
_ASPECT, _NOTHING = -1, -2  # in place of the tokens of a frame that are what is spoken of, or none


@final
class Sentiment(SymbolNames):
    """Say whether a review is good or bad for someone who cares about one thing alone, which its first sentence names.

    "i only care about the story . the music is great . i found the story not quite never dull ." is "bad": each "not"
    and "never" before an opinion turns it around, and what is said of other things does not matter. Reviews are half
    good and half bad, and half of all opinions are turned around, so that counting good and bad words is chance. The
    length is the number of sentences after the first.

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
        orders = torch.rand(batch_size, len(_ASPECTS), generator=generator, device=device).argsort(1)[:, :longest]
        drawn = torch.randint(2**31, (batch_size, 1 + 8 * longest), generator=generator, device=device)
        cared = drawn[:, :1] % lengths.unsqueeze(1)  # (B, 1), the sentence that counts
        aspects = self._token(_ASPECTS[0]) + orders  # (B, S)
        words, present, is_good = self._opinions(aspects, *drawn[:, 1:].view(batch_size, longest, 8).unbind(-1))
        present = present & (torch.arange(longest, device=device) < lengths.unsqueeze(1)).unsqueeze(-1)

        first = self._tokens_of((*_FIRST, "", "."), device).repeat(batch_size, 1)
        first[:, len(_FIRST)] = aspects.gather(1, cared).squeeze(1)
        shown = torch.cat([torch.ones_like(first, dtype=torch.bool), present.flatten(1)], dim=1)
        placed = order(shown)
        inputs = placed.take(torch.cat([first, words.flatten(1)], dim=1))
        mask = torch.arange(inputs.shape[1], device=device) == placed.lengths.unsqueeze(1) - 1
        return Batch(inputs, mask * is_good.gather(1, cared), mask, placed.lengths)

    def _opinions(self, aspects: Tensor, *drawn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Words of sentences about ``aspects (B, S)`` and which there are, ``(B, S, W)``; which are good, ``(B, S)``.

        Up to two negations stand before an opinion, each turns it around, and half of the time a filler follows them.
        """
        good, frame, negations, *nots, filler, opinion, to_me = drawn
        frames = torch.stack([self._tokens_of(_padded(frame), aspects.device) for frame in _FRAMES])[
            frame % len(_FRAMES)
        ]
        words = [*torch.where(frames == _ASPECT, aspects.unsqueeze(-1), frames).unbind(-1)]
        present = [*(frames != _NOTHING).unbind(-1)]
        negated = (negations % 4 + 1) // 2  # one as often as none or two: an opinion's word alone tells nothing
        for number, drawn_not in enumerate(nots):
            words += [self._token(_NOT[0]) + drawn_not % len(_NOT), self._token(_FILLERS[0]) + filler % 4]
            present += [negated > number, (negated > number) & (filler % 2 == 1)]
        kind = torch.where(good % 2 == 1, self._token(_GOOD[0]), self._token(_BAD[0]))
        ends = self._tokens_of(("to", "me", "."), aspects.device).expand(*aspects.shape, -1).unbind(-1)
        said, always = to_me % 4 == 0, torch.ones_like(good, dtype=torch.bool)
        words += [kind + opinion % len(_GOOD), *ends]
        present += [always, said, said, always]
        return torch.stack(words, dim=-1), torch.stack(present, dim=-1), (good + negated) % 2

    def _token(self, symbol: str) -> int:
        return self._tokens[symbol]

    def _tokens_of(self, words: Sequence[str], device: torch.device) -> Tensor:
        known = {"{}": _ASPECT, "": _NOTHING, **self._tokens}
        return torch.tensor([known[word] for word in words], device=device)


def _check_longest(length: int) -> None:
    if length > len(_ASPECTS):
        raise ValueError(f"a length is {length}, but there are {len(_ASPECTS)} things to speak of: give no more")


def _padded(frame: Sequence[str]) -> list[str]:
    """A frame with as many words as the longest, the last ones empty."""
    return [*frame, *[""] * (max(map(len, _FRAMES)) - len(frame))]
