"""The three tasks of Deletang et al. 2022 that compute with binary numbers as long as the string."""

import abc
from typing import final

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal import _numbers as numbers
from memnets_tasks.formal._strings import random_below, reject_until, take_symbols
from memnets_tasks.formal.symbols import Exercise, StringTask

_OPERATOR = 2
_END = 2


class _Operation(StringTask):
    """Two numbers of which neither is 0, the lowest bit first, an operator between them; its result and an end symbol.

    How many bits the first has is uniform over all there are. Strings of ``length`` 1 and 2 are a number alone, 0 or
    one of 0, 1 and 2, as in the paper's code.
    """

    answers = ("0", "1", ".")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw two numbers, each uniform over those of its width."""
        alone = length < 3
        longest = int(length.max())
        first = 1 + random_below((length - 2).clamp_min(1), generator)
        first = torch.where(alone, length, first)
        second = (length - 1 - first).clamp_min(0)
        one = numbers.draw_positive(first, longest, generator)
        single = random_below(2 ** first.clamp_max(2) - 1, generator)  # 0 of one bit, 0 to 2 of two
        places = steps(longest, length.device)
        one = torch.where(alone.unsqueeze(1), single.unsqueeze(1) >> places.clamp_max(2) & 1, one)
        other = numbers.draw_positive(second, longest, generator)

        gap = first.unsqueeze(1)
        string = torch.where(places < gap, one, take_symbols(other, places - gap - 1))
        string = torch.where(places == gap, _OPERATOR, string)
        result, width, asked = self.operate(one, other, length)
        result = torch.nn.functional.pad(result, (0, 1)).scatter(1, width.unsqueeze(1), _END)
        return Exercise(string, length, result, asked, width + 1)

    @abc.abstractmethod
    def operate(self, one: Tensor, other: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The result's bits ``(B, W)``, how many of them are wanted, and the steps of the answer: ``(B,)`` each."""


@final
class BinaryAddition(_Operation):
    """The sum of two binary numbers, the lowest bits first, and an end symbol.

    Deletang et al. 2022, "Binary Addition". The answer has ``length`` + 1 steps, of which those after the end symbol
    are not scored. Strings of one or two symbols are a number alone, which is the sum. Chance is 50 % at most places.
    """

    symbols = ("0", "1", "+")

    def operate(self, one: Tensor, other: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The sum, without zeros at its end, but for the number 0."""
        total = numbers.to_bits(numbers.add(numbers.to_limbs(one), numbers.to_limbs(other)), one.shape[1] + 1)
        return total, numbers.bit_length(total).clamp_min(1), length + 1


@final
class BinaryMultiplication(_Operation):
    """The product of two binary numbers, the lowest bits first, and an end symbol.

    Deletang et al. 2022, "Binary Multiplication". The answer has ``length`` steps, of which those after the end symbol
    are not scored. Of strings of one symbol it is the end symbol alone, of two 0 and the end symbol, as in the paper's
    code. Chance is 50 % at most places.
    """

    symbols = ("0", "1", "*")

    def operate(self, one: Tensor, other: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The product, without zeros at its end."""
        product = numbers.multiply(numbers.to_limbs(one), numbers.to_limbs(other))
        bits = numbers.to_bits(product, one.shape[1] + 1)
        return bits, torch.where(length < 3, length - 1, numbers.bit_length(bits)), length


@final
class ComputeSqrt(StringTask):
    """The square root of a binary number, rounded down, the highest bits first.

    Deletang et al. 2022, "Compute Sqrt": a number from 1 to 2^length - 1; the root has half as many bits, rounded up.
    Chance is 50 %.
    """

    symbols = ("0", "1")
    answers = ("0", "1")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw uniform numbers.

        No root is taken: a pair (a, b) of uniform numbers below 2^m is the number r^2 + b where a is the larger, and
        r^2 + r + 1 + a where b is, with r the larger of the two. Each number below 4^m has one such pair, and r is its
        root. Those of 0 and, of an odd length, of more bits than that are drawn again.
        """
        longest = int(length.max())
        width = (longest + 1) // 2

        def draw(rows: Tensor) -> tuple[list[Tensor], Tensor]:
            half = (length[rows] + 1) // 2
            a, b = (numbers.draw_bits(half, width, generator) for _ in range(2))
            larger = (numbers.compare(a, b) >= 0).unsqueeze(1)  # (N, 1)
            root = torch.where(larger, a, b)
            limbs = numbers.to_limbs(root)
            rest = torch.where(larger, b, a)
            more = torch.where(larger, 0, limbs)
            square = numbers.multiply(limbs, limbs)
            number = numbers.to_bits(
                numbers.add(square, numbers.to_limbs(rest), more, (~larger).long()), 2 * width
            )  # (N, 2 W)
            within = numbers.bit_length(number) <= length[rows]
            return [number, root], within & number.any(1)

        number, root = reject_until(draw, len(length), length.device)
        half = (length + 1) // 2
        string = take_symbols(number, length.unsqueeze(1) - 1 - steps(longest, length.device))
        answer = take_symbols(root, half.unsqueeze(1) - 1 - steps(width, length.device))
        return Exercise(string, length, answer, half, half)
