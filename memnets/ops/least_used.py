"""Least recently used access: Santoro et al. 2016, section 3.3, equations 5 to 8."""

import torch
from torch import Tensor

from .order import sort_stably


def least_used_weights(usage: Tensor, count: int) -> Tensor:
    """A one-hot weighting for each of the ``count`` least used slots (equation 6).

    Of equally used slots the first comes first, where the paper's threshold would take all of them. No gradient flows
    through the choice.

    Args:
        usage: w^u, ``(B, N)``.
        count: n, as many slots as are written to at a step; all of them if there are no more.

    Returns:
        w^lu, ``(B, n, N)``, the least used first.
    """
    order = sort_stably(usage)[1][:, :count].unsqueeze(-1)  # (B, n, 1)
    zeros = torch.zeros_like(usage).unsqueeze(1).expand(-1, order.shape[1], -1)  # (B, n, N)
    return zeros.scatter(-1, order, 1.0)


def decayed_usage(prev_usage: Tensor, read_weights: Tensor, write_weights: Tensor, decay: float) -> Tensor:
    """Usage: what was read and written fades (equation 5), ``w^u_t = gamma w^u_{t-1} + sum w^r_t + sum w^w_t``.

    Args:
        prev_usage: w^u_{t-1}, ``(B, N)``.
        read_weights: w^r_t, ``(B, R, N)``.
        write_weights: w^w_t, ``(B, R, N)``.
        decay: gamma.

    Returns:
        w^u_t, ``(B, N)``.
    """
    return decay * prev_usage + read_weights.sum(1) + write_weights.sum(1)
