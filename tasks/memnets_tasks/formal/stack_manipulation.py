"""Stack manipulation (Deletang et al. 2022): the stack that is left after pushes and pops."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal._strings import random_below, random_symbols, take_symbols
from memnets_tasks.formal.symbols import Exercise, StringTask

_POP = 2


@final
class StackManipulation(StringTask):
    """Given a stack of bits and actions on it, output the stack that is left, from its top.

    Deletang et al. 2022, "Stack Manipulation": a stack from its bottom, at least one bit, then actions, ``pop``,
    ``push0`` and ``push1``; to pop an empty stack does nothing. The answer is the stack from its top and an end symbol,
    in ``length`` + 1 steps, of which those after the end symbol are not scored. Strings of one symbol are a stack
    alone. Chance is 50 % at most places.
    """

    symbols = ("0", "1", "pop", "push0", "push1")
    answers = ("0", "1", ".")

    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw the height of the first stack uniformly, and uniform bits and actions."""
        longest = int(length.max())
        first = 1 + random_below((length - 1).clamp_min(1), generator)  # (B,), below the length but for 1
        bits = random_symbols(2, (len(length), longest), generator)  # (B, S)
        actions = 2 + random_symbols(3, (len(length), longest), generator)
        places = steps(longest, length.device)
        shown = places < first.unsqueeze(1)
        string = torch.where(shown, bits, actions)
        answer, height = final_stacks(string, shown, places < length.unsqueeze(1))
        return Exercise(string, length, answer, length + 1, height + 1)


def final_stacks(string: Tensor, shown: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The stacks left, each from its top with the end symbol: ``(B, S + 1)``; and their heights ``(B,)``.

    Args:
        string: ``(B, S)``; bits of the first stack, and actions.
        shown: ``(B, S)``; which of them are bits of the first stack.
        valid: ``(B, S)``; which are within the string.
    """
    pushes = (shown | (string > _POP)) & valid
    pops = ~pushes & valid
    free = (pushes.long() - pops.long()).cumsum(1)  # the height if it could be negative
    heights = free - free.cummin(1).values.clamp_max(0)  # after each step: every pop of an empty stack lifts the rest
    height = heights[:, -1]
    # A bit at some height of the final stack is the last that was pushed to this height.
    times = steps(string.shape[1], string.device).expand_as(string)
    last = torch.zeros(len(string), string.shape[1] + 1, dtype=torch.int64, device=string.device)
    last = last.scatter_reduce(1, torch.where(pushes, heights, 0), torch.where(pushes, times, 0), "amax")
    below = height.unsqueeze(1) - steps(string.shape[1] + 1, string.device)  # (B, S + 1): H, H - 1, ... 1, 0
    pushed = torch.where(shown, string, string - _POP - 1)
    stack = take_symbols(pushed, take_symbols(last, below))
    return torch.where(below > 0, stack, len(StackManipulation.answers) - 1), height
