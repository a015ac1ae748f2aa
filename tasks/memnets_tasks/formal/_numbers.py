"""Exact arithmetic of whole numbers of any size, one for each sequence of a batch.

A number is its bits, ``(B, W)`` int64, the lowest first (little-endian), or its limbs, digits to the base 2^24.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal._strings import random_symbols, reject_until

_LIMB = 24
"""Bits of a limb: a limb's products, 2^48, can be added up 2^15 times in int64."""


def to_limbs(bits: Tensor) -> Tensor:
    """Bits ``(B, W)`` as limbs ``(B, K)``, K the least number that holds them, at least 1."""
    count = max(1, -(-bits.shape[1] // _LIMB))
    groups = F.pad(bits, (0, count * _LIMB - bits.shape[1])).unflatten(1, (count, _LIMB))
    return (groups << torch.arange(_LIMB, device=bits.device)).sum(-1)


def to_bits(limbs: Tensor, width: int) -> Tensor:
    """Limbs as their lowest ``width`` bits: ``(B, width)``."""
    bits = (limbs.unsqueeze(-1) >> torch.arange(_LIMB, device=limbs.device) & 1).flatten(1)
    return F.pad(bits, (0, max(0, width - bits.shape[1])))[:, :width]


def add(*numbers: Tensor) -> Tensor:
    """The sum of numbers as limbs: ``(B, K + 1)``, K the most limbs of any."""
    longest = max(number.shape[1] for number in numbers) + 1
    return _carry(sum((F.pad(n, (0, longest - n.shape[1])) for n in numbers), torch.zeros_like(numbers[0][:, :1])))


def multiply(one: Tensor, other: Tensor) -> Tensor:
    """The product of two numbers as limbs: ``(B, K)`` and ``(B, L)`` to ``(B, K + L)``."""
    k, width = one.shape[1], one.shape[1] + other.shape[1]
    products = one.unsqueeze(2) * other.unsqueeze(1)  # (B, K, L)
    # Row i of the products belongs i places up: rows of one place less than they are wide move so.
    places = F.pad(products, (0, k)).flatten(1)[:, : k * (width - 1)].unflatten(1, (k, width - 1))
    return _carry(F.pad(places.sum(1), (0, 1)))


def compare(one: Tensor, other: Tensor) -> Tensor:
    """1, 0 or -1 where a number is above, equal to or below another of as many bits or limbs: ``(B,)``."""
    difference = (one - other).sign().flip(1)  # the highest first
    return difference.gather(1, difference.ne(0).int().argmax(1, keepdim=True)).squeeze(1)


def bit_length(bits: Tensor) -> Tensor:
    """The place of each number's highest bit, from 1; 0 of 0: ``(B,)``."""
    return ((1 + steps(bits.shape[1], bits.device)) * bits).amax(1)


def draw_bits(width: Tensor, longest: int, generator: torch.Generator) -> Tensor:
    """Numbers of uniform bits, ``width (B,)`` of each and zeros up to ``longest``: ``(B, longest)``."""
    bits = random_symbols(2, (len(width), longest), generator)
    return bits * (steps(longest, width.device) < width.unsqueeze(1))


def draw_positive(width: Tensor, longest: int, generator: torch.Generator) -> Tensor:
    """The same but never 0: uniform over 1 to 2^width - 1; 0 of no bits alone."""

    def draw(rows: Tensor) -> tuple[list[Tensor], Tensor]:
        bits = draw_bits(width[rows], longest, generator)
        return [bits], bits.any(1) | (width[rows] == 0)

    return reject_until(draw, len(width), width.device)[0]


def _carry(sums: Tensor) -> Tensor:
    """Sums of limbs, each below 2^63, as limbs of 24 bits; what the highest carries must be nothing."""
    limbs, carried = [], torch.zeros_like(sums[:, 0])
    for total in sums.unbind(1):
        total = total + carried
        limbs.append(total & (1 << _LIMB) - 1)
        carried = total >> _LIMB
    return torch.stack(limbs, dim=1)
