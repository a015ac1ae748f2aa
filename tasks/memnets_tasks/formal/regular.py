"""The four regular tasks of Deletang et al. 2022: finitely many states suffice."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal._strings import random_symbols
from memnets_tasks.formal.symbols import Exercise, StringTask


def _classified(string: Tensor, length: Tensor, kind: Tensor) -> Exercise:
    """An exercise whose answer is one symbol, ``kind (B,)``."""
    one = torch.ones_like(length)
    return Exercise(string, length, kind.unsqueeze(1), one, one)


def _draw(count: int, length: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Strings of uniform symbols ``(B, S)``, and which of these are within the lengths."""
    longest = int(length.max())
    string = random_symbols(count, (len(length), longest), generator)
    return string, steps(longest, length.device) < length.unsqueeze(1)


@final
class EvenPairs(StringTask):
    """Whether the number of places where a bit differs from the one before is even.

    Deletang et al. 2022, "Even Pairs": of a binary string, class 0 where 01 and 10 occur an even number of times in
    all, else class 1. The same as whether the first and the last bit are equal. Chance is 50 %.
    """

    symbols = ("0", "1")
    answers = ("0", "1")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform bits."""
        string, valid = _draw(2, length, generator)
        differs = (string[:, 1:] != string[:, :-1]) & valid[:, 1:]
        return _classified(string, length, differs.sum(1) % 2)


@final
class ParityCheck(StringTask):
    """Whether the number of ones is odd.

    Deletang et al. 2022, "Parity Check": of a binary string, class 0 where it has an even number of ones, else class 1.
    Chance is 50 %.
    """

    symbols = ("0", "1")
    answers = ("0", "1")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform bits."""
        string, valid = _draw(2, length, generator)
        return _classified(string, length, (string * valid).sum(1) % 2)


@final
class CycleNavigation(StringTask):
    """Where a walk on a circle of five places ends.

    Deletang et al. 2022, "Cycle Navigation": each symbol is a move, back ``<``, none ``=`` or forth ``>``, from place 0
    on; the answer is the place, 0 to 4. Chance is 20 %.
    """

    symbols = ("<", "=", ">")
    answers = ("0", "1", "2", "3", "4")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform moves."""
        string, valid = _draw(3, length, generator)
        return _classified(string, length, ((string - 1) * valid).sum(1) % 5)


@final
class ModularArithmetic(StringTask):
    """The value modulo 5 of an expression without brackets.

    Deletang et al. 2022, "Modular Arithmetic (Simple)": numbers 0 to 4 with one of ``+ - *`` between each two, products
    before sums. Of an even ``length`` the string has one symbol less, as an expression has an odd number of them. There
    is a channel for a symbol ``_`` that is never shown, as in the paper's code. Chance is 20 %.
    """

    symbols = (*"01234+-*_",)
    answers = ("0", "1", "2", "3", "4")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform numbers and operators."""
        count = (length + 1) // 2  # numbers of each expression
        numbers, valid = _draw(5, count, generator)  # (B, N)
        operators = random_symbols(3, tuple(numbers.shape), generator)  # of each number but the first, before it
        operators[:, 0] = 0  # +
        string = torch.stack([5 + operators, numbers], dim=2).flatten(1)[:, 1:]  # (B, 2 N - 1)

        starts = (operators != 2) | ~valid  # where a new product begins
        products = _segment_products(torch.where(operators == 1, -numbers, numbers), starts)
        ends = valid & torch.cat([starts[:, 1:], torch.ones_like(starts[:, :1])], dim=1)
        return _classified(string, 2 * count - 1, (products * ends).sum(1) % 5)


def _segment_products(values: Tensor, starts: Tensor) -> Tensor:
    """The product modulo 5 of each segment's values up to each place, ``(B, N)``, by doubling.

    A segment goes from a place where ``starts`` is True to the next such place.
    """
    reach = 1  # each product is of so many values, or of all in its segment up to its place
    while reach < values.shape[1]:
        joined = torch.where(starts[:, reach:], values[:, reach:], values[:, :-reach] * values[:, reach:] % 5)
        values = torch.cat([values[:, :reach], joined], dim=1)
        starts = torch.cat([starts[:, :reach], starts[:, reach:] | starts[:, :-reach]], dim=1)
        reach *= 2
    return values
