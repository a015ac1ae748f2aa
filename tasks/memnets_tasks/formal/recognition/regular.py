"""Regular languages, and majority: what counters and finite states can recognise."""

import functools
from typing import final

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal._strings import random_below, random_symbols
from memnets_tasks.formal.recognition.language import Language, within


@final
class Majority(Language):
    """Binary strings with more ones than zeros; how many ones there are is uniform, and their places."""

    symbols = ("0", "1")
    shortest = 1

    def draw(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Draw uniform bits of one probability, itself uniform, and let the more frequent symbol be the ones.

        With a uniform probability every number of ones is as likely. It is an odd number of symbols that is drawn so,
        of which one or the other is more frequent: where the length is even, one at any place is a one from the start.
        """
        shape = (len(length), int(length.max()))
        draws = torch.rand((shape[0], shape[1] + 1), generator=generator, device=length.device)
        string = draws[:, 1:] < draws[:, :1]
        given = steps(shape[1], length.device) == random_below(length, generator).unsqueeze(1)
        given &= (length % 2 == 0).unsqueeze(1)
        counted = (string & within(string, length) & ~given).sum(1)
        rare = counted < (length + 1) // 2  # fewer ones than zeros among those that are drawn
        return ((string ^ rare.unsqueeze(1)) | given).long()

    def contains(self, string: Tensor, length: Tensor) -> Tensor:
        """More than half of the symbols are ones."""
        return 2 * (string * within(string, length)).sum(1) > length


@final
class Parity(Language):
    """Binary strings with an odd number of ones; all of a length are as likely."""

    symbols = ("0", "1")
    shortest = 1

    def draw(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Draw uniform bits, and make the last what it must be."""
        string = random_symbols(2, (len(length), int(length.max())), generator)
        last = length.unsqueeze(1) - 1
        before = (string * within(string, length - 1)).sum(1, keepdim=True)
        return string.scatter(1, last, 1 - before % 2)

    def contains(self, string: Tensor, length: Tensor) -> Tensor:
        """The number of ones is odd."""
        return (string * within(string, length)).sum(1) % 2 == 1


@final
class CycleNavigation(Language):
    """Moves ``< = >`` on a circle of five places from place 0, then the place that is reached; all are as likely."""

    symbols = ("<", "=", ">", "0", "1", "2", "3", "4")
    shortest = 1

    def draw(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Draw uniform moves, and append the place."""
        string = random_symbols(3, (len(length), int(length.max())), generator)
        last = length.unsqueeze(1) - 1
        return string.scatter(1, last, 3 + self._reached(string, length - 1))

    def contains(self, string: Tensor, length: Tensor) -> Tensor:
        """All but the last symbol are moves, and the last is the place they lead to."""
        if not string.shape[1]:
            return length > 0
        last = string.gather(1, (length.unsqueeze(1) - 1).clamp_min(0))
        moves = ((string < 3) | ~within(string, length - 1)).all(1)
        right = (last == 3 + self._reached(string, length - 1)).squeeze(1)
        return moves & right & (length > 0)

    @staticmethod
    def _reached(string: Tensor, moves: Tensor) -> Tensor:
        """The place after so many moves: ``(B, 1)``."""
        return ((string - 1) * within(string, moves)).sum(1, keepdim=True) % 5


@final
class Dyck(Language):
    """Well-nested brackets of two kinds, at most three within each other: Dyck-(2, 3); all of a length are as likely.

    Hewitt et al. 2020, "RNNs can generate bounded hierarchical languages with optimal memory" (arXiv:2010.07515).
    """

    symbols = ("(", "[", ")", "]")
    shortest = 0
    stride = 2
    kinds = 2
    depth = 3

    def draw(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Draw whether each bracket opens, by the share of strings in which it does; then kinds of those that open."""
        longest, device = int(length.max()), length.device
        shares = _opening_shares(self.kinds, self.depth, 1 << longest.bit_length()).to(device)
        left = (length.unsqueeze(1) - steps(longest, device)).clamp_min_(0)  # (B, S), symbols still to come
        draws = torch.rand((len(length), longest, 1), generator=generator, device=device)
        depths = torch.arange(self.depth + 1, device=device)
        up, down = (depths + 1).clamp_max(self.depth), (depths - 1).clamp_min(0)
        after = torch.where(draws < shares[left], up, down)  # (B, S, depth + 1), from each depth
        now = length.new_zeros(len(length), 1)
        reached = [now]
        for following in after.unbind(1):
            now = following.gather(1, now)
            reached.append(now)
        heights = torch.cat(reached, dim=1)  # (B, S + 1)
        opens = heights[:, 1:] > heights[:, :-1]
        pair = self._pair(opens, heights[:, 1:])
        kind = random_symbols(self.kinds, (len(length), (longest // 2 + 1) * self.depth), generator).gather(1, pair)
        return torch.where(opens, kind, self.kinds + kind)

    def contains(self, string: Tensor, length: Tensor) -> Tensor:
        """No depth below 0 or above three, 0 at the end, and each bracket is closed by one of its kind."""
        valid, opens = within(string, length), string < self.kinds
        heights = (torch.where(opens, 1, -1) * valid).cumsum(1)
        nested = ((heights >= 0) & (heights <= self.depth)).all(1)
        ends = heights[:, -1] == 0 if string.shape[1] else length == 0
        kind = string % self.kinds
        pair = self._pair(opens & valid, heights)
        size = (string.shape[1] + 1) * self.depth
        opened = torch.zeros(len(string), size + 1, dtype=torch.int64, device=string.device)
        opened.scatter_(1, torch.where(opens & valid, pair, size), kind)
        alike = opens | ~valid | (kind == opened.gather(1, pair))
        return nested & ends & alike.all(1)

    def _pair(self, opens: Tensor, heights: Tensor) -> Tensor:
        """A number for each bracket, the same for the two of a pair, by the heights after each: ``(B, S)``.

        Two brackets are a pair where both are at one depth and as many were opened there before. Numbers are below
        ``(S + 1) * depth``; strings that are not nested have any.
        """
        level = heights + ~opens  # of an opening bracket the height after it, of a closing one that before
        pair = torch.zeros_like(heights)
        for depth in range(1, self.depth + 1):
            count = (opens & (level == depth)).cumsum(1)
            pair = torch.where(level == depth, count * self.depth + depth - 1, pair)
        return pair


@functools.lru_cache(maxsize=32)
def _opening_shares(kinds: int, depth: int, longest: int) -> Tensor:
    """The share that opens a bracket of all ways to end a string in r symbols, for each r and depth."""
    ways, shares = [1.0] + [0.0] * depth, [[0.0] * (depth + 1)]
    for _ in range(longest):
        opening = [kinds * up for up in [*ways[1:], 0.0]]
        closing = [0.0, *ways[:-1]]
        total = [a + b for a, b in zip(opening, closing)]
        shares.append([a / whole if whole else 0.0 for a, whole in zip(opening, total)])
        most = max(total)  # ways grow exponentially: only their ratios count
        ways = [whole / most for whole in total]
    return torch.tensor(shares)
