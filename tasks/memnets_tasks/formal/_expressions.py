"""Random expressions with brackets, all of a batch at once, level by level of their trees."""

import torch
from torch import Tensor

from memnets_tasks.formal._strings import random_below, random_symbols

MODULUS = 5
PLUS, MINUS, TIMES, OPEN, CLOSE = range(MODULUS, MODULUS + 5)
"""What stands for each symbol of an expression that is no number."""


def draw_expressions(length: Tensor, generator: torch.Generator, *, operators: int) -> tuple[Tensor, Tensor]:
    """Draw expressions of given lengths, and their values modulo 5.

    The grammar of Deletang et al. 2022: of 1 to 4 symbols a number d as ``d``, ``-d``, ``(d)`` or ``(-d)``; of more
    symbols ``(`` left operator right ``)``, where the length of the left part is uniform over all there are.

    Args:
        length: ``(B,)``, int64, symbols of each expression, at least 1.
        generator: Source of randomness.
        operators: 2 for + and -, 3 for + and - and *; each is as likely.

    Returns:
        The expressions ``(B, S)``, int64, and their values ``(B,)``.
    """
    longest = int(length.max())
    text = length.new_zeros(len(length) * longest + 1)  # the last place takes what is not written
    start, size = torch.arange(len(length), device=length.device) * longest, length  # of each part of this level
    levels: list[tuple[Tensor, Tensor, Tensor]] = []
    while len(size):
        number, operator = _write_terminals(text, start, size, generator)
        split = (size > 4).nonzero().squeeze(1)
        operator = operator.remainder(operators)[split]
        levels.append((number, split, operator))
        start, size = _split(text, start[split], size[split], operator, generator)
    return text[:-1].view(len(length), longest), _evaluate(levels)


def _write(text: Tensor, places: Tensor, symbols: Tensor | int, where: Tensor) -> None:
    """Write symbols to places of the batch's text, where asked."""
    places = torch.where(where, places, len(text) - 1)
    text[places] = torch.as_tensor(symbols, device=text.device)


def _write_terminals(text: Tensor, start: Tensor, size: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Write the brackets of all parts and the numbers of the small ones; their values, and a draw of 0 to 5 of each."""
    number = random_symbols(MODULUS, tuple(size.shape), generator)
    draw = random_symbols(6, tuple(size.shape), generator)
    wrapped, small, negative = size > 2, size < 5, size % 2 == 0
    sign = start + wrapped
    _write(text, start, OPEN, wrapped)
    _write(text, start + size - 1, CLOSE, wrapped)
    _write(text, sign, MINUS, small & negative)
    _write(text, sign + negative, number, small)
    return torch.where(negative, -number, number), draw


def _split(
    text: Tensor, start: Tensor, size: Tensor, operator: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Write the operators of parts of more than four symbols; where their parts start, all left then all right ones."""
    left = 1 + random_below(size - 4, generator)
    text[start + 1 + left] = operator + PLUS
    return torch.cat([start + 1, start + 2 + left]), torch.cat([left, size - 3 - left])


def _evaluate(levels: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """The value of each expression, from the last level up."""
    below = levels[-1][0]  # the last level splits nothing
    for number, split, operator in reversed(levels[:-1]):
        left, right = below.chunk(2)
        joined = torch.where(operator == 2, left * right, left + torch.where(operator == 1, -right, right))
        below = number.index_copy(0, split, joined % MODULUS)
    return below % MODULUS
