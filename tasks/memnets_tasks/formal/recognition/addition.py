"""The language of right additions of binary numbers."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal import _numbers as numbers
from memnets_tasks.formal._strings import reject_until, take_symbols
from memnets_tasks.formal.recognition.language import Language, within

_PLUS, _EQUALS = 2, 3


@final
class BinaryAddition(Language):
    """Strings ``x + y = z`` of binary numbers, the lowest bits first, any zeros after the highest.

    Two uniform cuts, rounded down, share the length out among the three. The narrower of the first two is uniform over
    what its width and that of z can hold, then the other over what is left; they change places in half of the strings.
    """

    symbols = ("0", "1", "+", "=")
    shortest = 5

    def draw(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Draw widths, numbers, and their order."""
        device, longest = length.device, int(length.max())
        cuts = torch.rand((2, len(length)), generator=generator, device=device, dtype=torch.float64)
        cuts = (cuts.sort(dim=0).values * (length - 5)).long()
        widths = torch.stack([cuts[0], cuts[1] - cuts[0]]) + 1
        result = length - 4 - cuts[1]  # the widths and two signs are as long as the string
        narrow, wide = widths.sort(dim=0).values.unbind(0)
        one = numbers.draw_bits(torch.minimum(narrow, result), longest, generator)
        other = _draw_up_to(_bound(one, wide, result), generator)

        swap = torch.randint(2, (len(length), 1), generator=generator, device=device).bool()
        first, second = torch.where(swap, other, one), torch.where(swap, one, other)
        width = torch.where(swap.squeeze(1), wide, narrow).unsqueeze(1)
        total = numbers.to_bits(numbers.add(numbers.to_limbs(one), numbers.to_limbs(other)), longest)
        places = steps(longest, device)
        equals = (length - result - 1).unsqueeze(1)
        string = torch.where(places < width, first, take_symbols(second, places - width - 1))
        string = torch.where(places < equals, string, take_symbols(total, places - equals - 1))
        return string.scatter(1, width, _PLUS).scatter(1, equals, _EQUALS)

    def contains(self, string: Tensor, length: Tensor) -> Tensor:
        """Three numbers of at least a bit, one plus and one equals sign between them, and the third is the sum."""
        valid, places = within(string, length), steps(string.shape[1], string.device)
        signs = [(string == sign) & valid for sign in (_PLUS, _EQUALS)]
        once = torch.stack([sign.sum(1) == 1 for sign in signs]).all(0)
        plus, equals = ((sign * places).sum(1, keepdim=True) for sign in signs)
        end = length.unsqueeze(1)
        parted = ((plus > 0) & (equals > plus + 1) & (end > equals + 1)).squeeze(1)
        starts, ends = (torch.zeros_like(plus), plus + 1, equals + 1), (plus, equals, end)
        one, other, total = (
            numbers.to_limbs((take_symbols(string, places + start) & 1) * (places < stop - start))
            for start, stop in zip(starts, ends)
        )
        added = numbers.add(one, other)
        return once & parted & (added == torch.nn.functional.pad(total, (0, 1))).all(1)


def _bound(one: Tensor, wide: Tensor, result: Tensor) -> Tensor:
    """The greatest number of ``wide`` bits whose sum with ``one`` has no more than ``result`` bits: bits ``(B, W)``."""
    places = steps(one.shape[1], one.device)
    rest = 1 - one  # 2^result - 1 - one, within its bits
    full = wide < result  # the sum of two numbers of that width has no more than a bit more
    bits = torch.where(full.unsqueeze(1), 1, rest)
    return bits * (places < torch.minimum(wide, result).unsqueeze(1))


def _draw_up_to(bound: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers uniform over 0 to ``bound``, bits ``(B, W)``."""
    width = numbers.bit_length(bound)

    def draw(rows: Tensor) -> tuple[list[Tensor], Tensor]:
        bits = numbers.draw_bits(width[rows], bound.shape[1], generator)
        return [bits], numbers.compare(bits, bound[rows]) <= 0

    return reject_until(draw, len(bound), bound.device)[0]
