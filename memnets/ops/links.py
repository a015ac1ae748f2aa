"""Temporal links: Graves et al. 2016, Methods, "Temporal memory linkage"; sharpening of Csordas & Schmidhuber 2019.

Each write head has its own links and precedence, as in DeepMind's code; the paper has one write head.
"""

import torch
from torch import Tensor

EPSILON = 1e-6
"""Added to a weighting along links before its logarithm, so that a weight of exactly 0 stays finite."""


def update_links(prev_links: Tensor, prev_precedence: Tensor, write_weights: Tensor) -> Tensor:
    """Links after a write: ``L[i, j] = (1 - w[i] - w[j]) L[i, j] + w[i] p[j]``, and 0 where i = j.

    ``L[i, j]`` is how much slot i was written right after slot j.

    Args:
        prev_links: L_{t-1}, ``(B, W, N, N)``.
        prev_precedence: p_{t-1}, ``(B, W, N)``.
        write_weights: w^w_t, ``(B, W, N)``.

    Returns:
        L_t, ``(B, W, N, N)``; its rows and columns sum to at most 1.
    """
    to, since = write_weights.unsqueeze(-1), write_weights.unsqueeze(-2)  # w[i], w[j]
    links = (1 - to - since) * prev_links + to * prev_precedence.unsqueeze(-2)  # (B, W, N, N)
    slots = write_weights.shape[-1]
    return links * (1 - torch.eye(slots, dtype=links.dtype, device=links.device))


def update_precedence(prev_precedence: Tensor, write_weights: Tensor) -> Tensor:
    """Which slot was written last: ``p_t = (1 - sum_i w[i]) p_{t-1} + w``.

    Args:
        prev_precedence: p_{t-1}, ``(B, W, N)``.
        write_weights: w^w_t, ``(B, W, N)``.

    Returns:
        p_t, ``(B, W, N)``; sums to at most 1.
    """
    return (1 - write_weights.sum(-1, keepdim=True)) * prev_precedence + write_weights


def forward_weights(links: Tensor, prev_read_weights: Tensor) -> Tensor:
    """Where was written right after what was read: ``f = L w^r``, along the links of each write head.

    Args:
        links: L_t, ``(B, W, N, N)``.
        prev_read_weights: w^r_{t-1}, ``(B, R, N)``.

    Returns:
        f, ``(B, R, W, N)``.
    """
    return torch.matmul(prev_read_weights.unsqueeze(1), links.transpose(-1, -2)).transpose(1, 2)


def backward_weights(links: Tensor, prev_read_weights: Tensor) -> Tensor:
    """Where was written right before what was read: ``b = L^T w^r``, along the links of each write head.

    Args:
        links: L_t, ``(B, W, N, N)``.
        prev_read_weights: w^r_{t-1}, ``(B, R, N)``.

    Returns:
        b, ``(B, R, W, N)``.
    """
    return torch.matmul(prev_read_weights.unsqueeze(1), links).transpose(1, 2)


def sharpen_links(weights: Tensor, sharpness: Tensor) -> Tensor:
    """Forward or backward weighting to the power s, normalised (Csordas & Schmidhuber 2019, section 3.3).

    1e-6 is added to the weights first, as in the authors' code, and the power is a softmax of ``s * log(w)``, which
    does not underflow. Where there are no links yet the result is flat, and not nothing as without sharpening.

    Args:
        weights: f or b >= 0, ``(..., N)``.
        sharpness: s >= 1, ``(...)``.

    Returns:
        ``(..., N)``; each weighting sums to 1.
    """
    return torch.softmax(sharpness.unsqueeze(-1) * (weights + EPSILON).log(), dim=-1)
