"""Stratification stack ("neural stack"): Grefenstette et al. 2015, section 3.1, equations 1 to 3.

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
    taken = torch.relu(pop.unsqueeze(-1) - _strength_above(strengths))
    left = torch.relu(strengths - taken)
    values = torch.cat([value.unsqueeze(2), values[:, :, :-1]], dim=2)
    return values, torch.cat([push.unsqueeze(-1), left[:, :, :-1]], dim=-1)


def neural_stack_read(values: Tensor, strengths: Tensor) -> Tensor:
    """The topmost values to a total strength of 1 (equation 3).

    ``r = sum_i min(s[i], max(0, 1 - sum of the strengths above i)) V[i]``

    Args:
        values: V_t, ``(B, stacks, depth, width)``, the newest at index 0.
        strengths: s_t, ``(B, stacks, depth)``.

    Returns:
        r, ``(B, stacks, width)``.
    """
    weights = torch.minimum(strengths, torch.relu(1 - _strength_above(strengths)))  # (B, stacks, depth)
    return torch.matmul(weights.unsqueeze(2), values).squeeze(2)


def _strength_above(strengths: Tensor) -> Tensor:
    """Sum of the strengths at lower indices, ``(B, stacks, depth)``."""
    shifted = torch.cat([torch.zeros_like(strengths[..., :1]), strengths[..., :-1]], dim=-1)
    return shifted.cumsum(-1)
