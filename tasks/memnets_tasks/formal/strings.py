"""Tasks of Deletang et al. 2022 that move the symbols of a string to other places."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal._strings import random_below, random_symbols, take_symbols
from memnets_tasks.formal.symbols import Exercise, StringTask


def reversed_places(length: Tensor, places: Tensor) -> Tensor:
    """Which symbol of strings of ``length (B,)`` comes to each of ``places (1, T)`` when reversed: ``(B, T)``."""
    return length.unsqueeze(1) - 1 - places


def odds_first_places(length: Tensor, places: Tensor) -> Tensor:
    """The same when the first, third, fifth ... symbols come first, and then the second, fourth ...: ``(B, T)``."""
    half = (length.unsqueeze(1) + 1) // 2
    return torch.where(places < half, 2 * places, 2 * (places - half) + 1)


def sort_symbols(string: Tensor, length: Tensor, count: int) -> Tensor:
    """The symbols of each string, of which there are ``count`` kinds, in rising order; padding stays at the end."""
    past = steps(string.shape[1], string.device) >= length.unsqueeze(1)
    return string.masked_fill(past, count).sort(dim=1).values.clamp_max(count - 1)


def _draw(count: int, length: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Strings of uniform symbols ``(B, S)``, and the numbers of their places ``(1, S)``."""
    longest = int(length.max())
    return random_symbols(count, (len(length), longest), generator), steps(longest, length.device)


@final
class ReverseString(StringTask):
    """A binary string, backwards.

    Deletang et al. 2022, "Reverse String". Chance is 50 %.
    """

    symbols = ("0", "1")
    answers = ("0", "1")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform bits."""
        string, places = _draw(2, length, generator)
        answer = take_symbols(string, reversed_places(length, places))
        return Exercise(string, length, answer, length, length)


@final
class DuplicateString(StringTask):
    """A binary string, twice.

    Deletang et al. 2022, "Duplicate String". Chance is 50 %.
    """

    symbols = ("0", "1")
    answers = ("0", "1")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform bits."""
        string, _ = _draw(2, length, generator)
        places = steps(2 * string.shape[1], length.device)
        answer = take_symbols(string, places % length.unsqueeze(1))
        return Exercise(string, length, answer, 2 * length, 2 * length)


@final
class OddsFirst(StringTask):
    """The first, third, fifth ... symbols of a binary string, then the second, fourth, sixth ...

    Deletang et al. 2022, "Odds First", s1 s3 s5 ... s2 s4 s6 ... as the paper writes. Its code gives s2 s4 ... first.
    Chance is 50 %.
    """

    symbols = ("0", "1")
    answers = ("0", "1")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform bits."""
        string, places = _draw(2, length, generator)
        answer = take_symbols(string, odds_first_places(length, places))
        return Exercise(string, length, answer, length, length)


@final
class BucketSort(StringTask):
    """The symbols of a string of five kinds, sorted.

    Deletang et al. 2022, "Bucket Sort". Chance is 20 % for guesses, more for answers that
    give each kind a fifth of the places.
    """

    symbols = ("0", "1", "2", "3", "4")
    answers = ("0", "1", "2", "3", "4")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform symbols."""
        string, _ = _draw(5, length, generator)
        return Exercise(string, length, sort_symbols(string, length, 5), length, length)


@final
class MissingDuplicate(StringTask):
    """The bit that is missing in a binary string given twice.

    Deletang et al. 2022, "Missing Duplicate": the string and itself again, one place of the two hidden as ``_``; an odd
    ``length`` is filled with ``.``. Of ``length`` 1, which has no room for a string, the input and the answer are 1.
    Chance is 50 %.
    """

    symbols = ("0", "1", "_", ".")
    answers = ("0", "1")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform bits, and the place to hide uniformly."""
        half, single = length // 2, length == 1
        word, _ = _draw(2, half.clamp_min(1), generator)
        places = steps(int(length.max()), length.device)
        string = take_symbols(word, places % half.clamp_min(1).unsqueeze(1))  # (B, S)
        string = torch.where(places < 2 * half.unsqueeze(1), string, 3)
        hidden = random_below((2 * half).clamp_min(1), generator).unsqueeze(1)  # (B, 1)
        answer = torch.where(single.unsqueeze(1), 1, string.gather(1, hidden))
        string = string.scatter(1, hidden, torch.where(single, 1, 2).unsqueeze(1))
        one = torch.ones_like(length)
        return Exercise(string, length, answer, one, one)
