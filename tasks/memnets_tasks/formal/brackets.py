"""The two tasks of Deletang et al. 2022 that take expressions with brackets."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal._expressions import MODULUS, draw_expressions
from memnets_tasks.formal._strings import random_below
from memnets_tasks.formal.symbols import Exercise, StringTask

_UNKNOWN, _EQUALS = 9, 10
_WITHOUT_TIMES = (0, 1, 2, 3, 4, 5, 6, 6, 7, 8)
"""The symbols of an equation by those of an expression, which has ``*`` before the brackets."""


@final
class ModularArithmeticBrackets(StringTask):
    """The value modulo 5 of an expression with brackets.

    Deletang et al. 2022, "Modular Arithmetic": numbers 0 to 4, a bracket around each sum, difference and product, and
    around some numbers; ``-`` before a number as well. There is a channel for a symbol ``x`` that is never shown, as in
    the paper's code. Chance is 20 %; 0, where a product with it is more likely than other values, somewhat more.
    """

    symbols = (*"01234+-*()x",)
    answers = ("0", "1", "2", "3", "4")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw expressions: see ``draw_expressions``."""
        string, value = draw_expressions(length, generator, operators=3)
        one = torch.ones_like(length)
        return Exercise(string, length, value.unsqueeze(1), one, one)


@final
class SolveEquation(StringTask):
    """The number that an unknown stands for in an equation with brackets.

    Deletang et al. 2022, "Solve Equation": an expression of + and - in which one number is replaced by ``x``, then
    ``=`` and its value modulo 5. The number is the first at or after a uniform place, or the first of all. Strings of
    ``length`` 1 and 2, too short for an equation, are zeros with the answer 0. Chance is 20 %.
    """

    symbols = (*"01234+-()x=",)
    answers = ("0", "1", "2", "3", "4")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw expressions, and which number to hide."""
        size = (length - 2).clamp_min(1)
        drawn, value = draw_expressions(size, generator, operators=2)
        expression = torch.tensor(_WITHOUT_TIMES, device=length.device)[drawn]  # (B, S)
        places = steps(expression.shape[1], length.device)
        start = random_below(size, generator).unsqueeze(1)
        size = size.unsqueeze(1)
        ahead = (places - start) % size  # places to go from the start, past the end to the beginning
        ahead = ahead.masked_fill((expression >= MODULUS) | (places >= size), int(size.max()))
        hidden = ahead.argmin(1, keepdim=True)  # (B, 1)

        answer = expression.gather(1, hidden)
        equation = expression.scatter(1, hidden, _UNKNOWN)
        equation = torch.nn.functional.pad(equation, (0, 2))
        equation = equation.scatter(1, size, _EQUALS).scatter(1, size + 1, value.unsqueeze(1))
        short = (length < 3).unsqueeze(1)
        one = torch.ones_like(length)
        return Exercise(equation.masked_fill(short, 0), length, answer.masked_fill(short, 0), one, one)
