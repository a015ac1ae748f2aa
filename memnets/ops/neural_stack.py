"""Stratification stack ("neural stack"): Grefenstette et al. 2015, section 3.1, equations 1 to 3; queue: section 3.2.

Here the newest value stands at index 0, so that shapes are fixed: with a depth of at least the number of pushes the
result is the paper's, and beyond it the oldest value is lost.
"""

import torch
from torch import Tensor


def neural_stack_step(
    values: Tensor, strengths: Tensor, value: Tensor, push: Tensor, pop: Tensor
) -> tuple[Tensor, Tensor]:
    """Pop from the top downwards, then push (equations 1 and 2).

    ``s_t[i] = max(0, s[i] - max(0, u - sum of the strengths above i))``; the new value has strength d.

    Args:
        values: V_{t-1}, ``(B, stacks, depth, width)``, the newest at index 0.
        strengths: s_{t-1} >= 0, ``(B, stacks, depth)``; 0 where nothing is.
        value: v, ``(B, stacks, width)``.
        push: d >= 0, ``(B, stacks)``, how much of the value to push.
        pop: u >= 0, ``(B, stacks)``, how much to take off.

    Returns:
        V_t, ``(B, stacks, depth, width)``, and s_t, ``(B, stacks, depth)``.
    """
    return _pushed(values, _popped(strengths, _strength_above(strengths), pop), value, push)


def neural_stack_read(values: Tensor, strengths: Tensor) -> Tensor:
    """The topmost values to a total strength of 1 (equation 3).

    ``r = sum_i min(s[i], max(0, 1 - sum of the strengths above i)) V[i]``

    Args:
        values: V_t, ``(B, stacks, depth, width)``, the newest at index 0.
        strengths: s_t, ``(B, stacks, depth)``.

    Returns:
        r, ``(B, stacks, width)``.
    """
    return _read(values, strengths, _strength_above(strengths))


def neural_queue_step(
    values: Tensor, strengths: Tensor, value: Tensor, push: Tensor, pop: Tensor
) -> tuple[Tensor, Tensor]:
    """Pop from the oldest on, then push: arguments and results as of :func:`neural_stack_step`.

    ``s_t[i] = max(0, s[i] - max(0, u - sum of the strengths of older values))``; the new value has strength d.
    """
    return _pushed(values, _popped(strengths, _strength_below(strengths), pop), value, push)


def neural_queue_read(values: Tensor, strengths: Tensor) -> Tensor:
    """The oldest values to a total strength of 1: arguments and result as of :func:`neural_stack_read`.

    ``r = sum_i min(s[i], max(0, 1 - sum of the strengths of older values)) V[i]``
    """
    return _read(values, strengths, _strength_below(strengths))


def _popped(strengths: Tensor, before: Tensor, pop: Tensor) -> Tensor:
    """What a pop leaves, which takes first what has nothing ``before`` it."""
    return torch.relu(strengths - torch.relu(pop.unsqueeze(-1) - before))


def _pushed(values: Tensor, strengths: Tensor, value: Tensor, push: Tensor) -> tuple[Tensor, Tensor]:
    values = torch.cat([value.unsqueeze(2), values[:, :, :-1]], dim=2)
    return values, torch.cat([push.unsqueeze(-1), strengths[:, :, :-1]], dim=-1)


def _read(values: Tensor, strengths: Tensor, before: Tensor) -> Tensor:
    weights = torch.minimum(strengths, torch.relu(1 - before))  # (B, stacks, depth)
    return torch.matmul(weights.unsqueeze(2), values).squeeze(2)


def _strength_above(strengths: Tensor) -> Tensor:
    """Sum of the strengths at lower indices, ``(B, stacks, depth)``."""
    shifted = torch.cat([torch.zeros_like(strengths[..., :1]), strengths[..., :-1]], dim=-1)
    return shifted.cumsum(-1)


def _strength_below(strengths: Tensor) -> Tensor:
    """Sum of the strengths at higher indices, ``(B, stacks, depth)``."""
    return _strength_above(strengths.flip(-1)).flip(-1)
