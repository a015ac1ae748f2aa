"""Stacks of continuous actions: Joulin & Mikolov 2015, section 3 ("Pushdown network")."""

import torch
from torch import Tensor


def stack_step(stack: Tensor, actions: Tensor, values: Tensor) -> Tensor:
    """Each stack as a mixture of itself pushed, popped and left alone.

    ``s_t[0] = a_push v + a_pop s[1] + a_noop s[0]`` at the top, and below it
    ``s_t[i] = a_push s[i-1] + a_pop s[i+1] + a_noop s[i]``. Below the bottom are zeros; what is pushed out of a full
    stack is lost.

    Args:
        stack: s_{t-1}, ``(B, stacks, depth, width)``, the top at index 0.
        actions: a, ``(B, stacks, 3)``: push, pop, no-op. Each stack has a distribution of its own.
        values: v, what is pushed, ``(B, stacks, width)``.

    Returns:
        s_t, ``(B, stacks, depth, width)``.
    """
    push, pop, stay = actions.unsqueeze(-1).unsqueeze(-1).unbind(2)  # (B, stacks, 1, 1) each
    pushed = torch.cat([values.unsqueeze(2), stack[:, :, :-1]], dim=2)
    popped = torch.cat([stack[:, :, 1:], torch.zeros_like(stack[:, :, :1])], dim=2)
    return push * pushed + pop * popped + stay * stack


def stack_top(stack: Tensor) -> Tensor:
    """What the controller reads: the top of each stack.

    Args:
        stack: ``(B, stacks, depth, width)``.

    Returns:
        ``(B, stacks, width)``.
    """
    return stack[:, :, 0]
