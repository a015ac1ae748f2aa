"""Languages of strings whose second part repeats the first in some order, with or without a mark between."""

import abc
from typing import final

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal._strings import random_below, random_symbols, take_symbols
from memnets_tasks.formal.recognition.language import Language, within
from memnets_tasks.formal.strings import odds_first_places, reversed_places, sort_symbols


class Pairs(Language):
    """Strings ``w f(w)`` or ``w # f(w)``: w has any symbols but the mark, f puts them in another order.

    Abstract: a subclass sets the attributes and defines f.

    Attributes:
        kinds: symbols that w may have.
        mark: symbols between the two parts, 1 or 0; its number is ``kinds``.
    """

    kinds: int = 2
    mark: int = 1
    stride = 2

    @abc.abstractmethod
    def reorder(self, word: Tensor, length: Tensor) -> Tensor:
        """f of words ``(B, W)`` of lengths ``(B,)``: ``(B, W)``."""

    def draw(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Draw uniform words."""
        half = length // 2
        word = random_symbols(self.kinds, (len(length), int(half.max())), generator)
        places = steps(int(length.max()), length.device)
        second = places - half.unsqueeze(1) - self.mark  # (B, S)
        string = torch.where(second < 0, take_symbols(word, places), take_symbols(self.reorder(word, half), second))
        return torch.where(second == -1, self.kinds, string) if self.mark else string

    def contains(self, string: Tensor, length: Tensor) -> Tensor:
        """The mark is in the middle and nowhere else, and the second part is f of the first."""
        half = length // 2
        places = steps(string.shape[1], string.device)
        first = places < half.unsqueeze(1)
        word = torch.where(first, string, 0)
        second = take_symbols(string, places + half.unsqueeze(1) + self.mark)
        alike = ((second == self.reorder(word, half)) & (word < self.kinds)) | ~first
        marked = take_symbols(string, half.unsqueeze(1)).squeeze(1) == self.kinds if self.mark else True
        return alike.all(1) & marked & (length % 2 == self.mark)


@final
class MarkedCopy(Pairs):
    """Strings ``w # w`` of bits."""

    symbols = ("0", "1", "#")
    shortest = 1

    def reorder(self, word: Tensor, length: Tensor) -> Tensor:
        """The word itself."""
        return word


@final
class UnmarkedCopy(Pairs):
    """Strings ``w w`` of bits."""

    symbols = ("0", "1")
    shortest = 0
    mark = 0

    def reorder(self, word: Tensor, length: Tensor) -> Tensor:
        """The word itself."""
        return word


@final
class MarkedReversal(Pairs):
    """Strings ``w # w`` of bits, the second w backwards."""

    symbols = ("0", "1", "#")
    shortest = 1

    def reorder(self, word: Tensor, length: Tensor) -> Tensor:
        """The word backwards."""
        return take_symbols(word, reversed_places(length, steps(word.shape[1], word.device)))


@final
class UnmarkedReversal(Pairs):
    """Strings ``w w`` of bits, the second w backwards: palindromes of even length."""

    symbols = ("0", "1")
    shortest = 0
    mark = 0

    def reorder(self, word: Tensor, length: Tensor) -> Tensor:
        """The word backwards."""
        return take_symbols(word, reversed_places(length, steps(word.shape[1], word.device)))


@final
class OddsFirst(Pairs):
    """Strings ``w # w`` of bits, of the second w first the first, third, fifth ... bits, then the others."""

    symbols = ("0", "1", "#")
    shortest = 1

    def reorder(self, word: Tensor, length: Tensor) -> Tensor:
        """The word with bits of odd places first."""
        return take_symbols(word, odds_first_places(length, steps(word.shape[1], word.device)))


@final
class BucketSort(Pairs):
    """Strings ``w # w`` of five symbols, the second w sorted."""

    symbols = ("1", "2", "3", "4", "5", "#")
    shortest = 1
    kinds = 5

    def reorder(self, word: Tensor, length: Tensor) -> Tensor:
        """The word sorted."""
        return sort_symbols(word, length, self.kinds + 1)


@final
class MissingDuplicate(Language):
    """Strings ``w w`` of bits in which one 1 is hidden as ``_``."""

    symbols = ("0", "1", "_")
    shortest = 2
    stride = 2

    def draw(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Draw uniform words, of which a uniform place is made 1; then which 1 to hide."""
        half = length // 2
        word = random_symbols(2, (len(length), int(half.max())), generator)
        word = word.scatter(1, random_below(half, generator).unsqueeze(1), 1)
        string = take_symbols(word, steps(int(length.max()), length.device) % half.unsqueeze(1))  # (B, S)
        ones = (string == 1) & within(string, length)
        chosen = random_below(ones.sum(1), generator).unsqueeze(1)  # (B, 1), counted among the ones
        return torch.where(ones & (ones.cumsum(1) == chosen + 1), 2, string)

    def contains(self, string: Tensor, length: Tensor) -> Tensor:
        """One bit is hidden, and if it is 1, then both halves are equal."""
        half = (length // 2).unsqueeze(1)
        hidden = ((string == 2) & within(string, length)).sum(1)
        places = steps(string.shape[1], string.device)
        filled = string.masked_fill(string == 2, 1)
        alike = (filled == take_symbols(filled, places + half)) | (places >= half)
        return (length % 2 == 0) & (hidden == 1) & alike.all(1)
