"""The delta rule over a chunk of steps at once: Yang et al. 2024, section 3 (WY representation); gated: Yang, Kautz &
Hatamizadeh 2024, section 3.3.

Within a chunk, with S the memory at its start, step i adds ``k_i u_i`` to the memory, where

    u_i = beta_i (v_i - k_i (g_i S + sum_{j<i} d_ij k_j u_j)),

``d_ij`` is the decay from step j to step i and ``g_i`` that from the start of the chunk, both 1 without gates. The
``u_i`` of a chunk solve one unit lower triangular system. It is solved by substitution: products of powers of its
matrix would do as well in exact arithmetic, but cancel in float32 where keys repeat.
"""

import torch
from torch import Tensor

from .sequences import from_chunks, into_chunks


def chunked_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, state: Tensor, chunk: int
) -> tuple[Tensor, Tensor]:
    """The parallel form of ``delta_rule``.

    Args:
        q: ``(B, T, H, K)``.
        k: ``(B, T, H, K)``.
        v: ``(B, T, H, V)``.
        beta: ``(B, T, H)``.
        state: ``(B, H, K, V)``.
        chunk: C, steps to a chunk; T need not be a multiple of it.

    Returns:
        o, ``(B, T, H, V)``, and the last state, ``(B, H, K, V)``.
    """
    steps = q.shape[1]
    q, k, v, beta = (into_chunks(x, chunk) for x in (q, k, v, beta.unsqueeze(-1)))  # (chunks, B, H, C, .)
    keys = k.transpose(-1, -2)  # (chunks, B, H, K, C)
    scores, overlaps = (q @ keys).tril(), (beta * k) @ keys  # (chunks, B, H, C, C)
    outputs = []
    for queries_c, keys_c, k_c, v_c, beta_c, scores_c, overlaps_c in zip(q, keys, k, v, beta, scores, overlaps):
        change = _solve(overlaps_c, beta_c * (v_c - k_c @ state))  # u, (B, H, C, V)
        outputs.append(queries_c @ state + scores_c @ change)
        state = state + keys_c @ change
    return from_chunks(outputs, steps), state


def chunked_gated_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor, state: Tensor, chunk: int
) -> tuple[Tensor, Tensor]:
    """The parallel form of ``gated_delta_rule``; arguments as for ``chunked_delta_rule``, log_decay ``(B, T, H)``."""
    steps = q.shape[1]
    beta, log_decay = beta.unsqueeze(-1), log_decay.unsqueeze(-1)
    q, k, v, beta, log_decay = (into_chunks(x, chunk) for x in (q, k, v, beta, log_decay))  # (chunks, B, H, C, .)
    between, since_start, to_end = _decays(log_decay)
    keys = k.transpose(-1, -2)  # (chunks, B, H, K, C)
    scores, overlaps = (q @ keys).tril() * between, (beta * k) @ keys * between  # (chunks, B, H, C, C)
    late_keys = keys * to_end.transpose(-1, -2)
    outputs = []
    asks, recalls, whole = since_start * q, since_start * k, since_start[..., -1:, :]
    for ask, recall, late, v_c, beta_c, whole_c, scores_c, overlaps_c in zip(
        asks, recalls, late_keys, v, beta, whole, scores, overlaps
    ):
        change = _solve(overlaps_c, beta_c * (v_c - recall @ state))  # u, (B, H, C, V)
        outputs.append(ask @ state + scores_c @ change)
        state = whole_c * state + late @ change
    return from_chunks(outputs, steps), state


def _solve(overlaps: Tensor, right: Tensor) -> Tensor:
    """``(1 + lower triangle of overlaps)^-1 right``; the diagonal and what is above it are not read."""
    return torch.linalg.solve_triangular(overlaps, right, upper=False, unitriangular=True)


def _decays(log_decay: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Decays between steps of a chunk, from its start to each step, and from each step to its end.

    The sum for each pair of steps is taken by itself. A difference of two running sums would lose the digits of small
    decays beside large ones, and be undefined where everything is forgotten.

    Args:
        log_decay: ``(chunks, B, H, C, 1)``.

    Returns:
        ``(chunks, B, H, C, C)``, whose entry [i, j] is that from step j to step i and 1 where j is after i, and twice
        ``(chunks, B, H, C, 1)``.
    """
    size = log_decay.shape[-2]
    after = torch.ones(size, size, dtype=torch.bool, device=log_decay.device).tril(-1)  # [i, j]: i after j
    between = torch.where(after, log_decay, 0.0).cumsum(-2).exp()
    return between, log_decay.cumsum(-2).exp(), between[..., -1, :].unsqueeze(-1)
