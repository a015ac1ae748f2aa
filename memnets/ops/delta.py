"""The delta rule: Schlag et al. 2021, section 4.2; gated: Yang, Kautz & Hatamizadeh 2024, equation 10.

The memory S of a head has a row for each dimension of the key and a column for each of the value: ``o = q S`` reads it.
A step replaces what a key recalls, ``k S``, by the value, to the extent of beta. Queries and keys come as they are:
callers scale queries and normalise keys (where ``|k| = 1``, the memory forgets along k alone, by a factor 1 - beta).
"""

import torch
from torch import Tensor

from .delta_chunks import chunked_delta_rule, chunked_gated_delta_rule
from .sequences import recurrence

DELTA_CHUNK = 32
"""A good number of steps to a chunk, measured on a CPU (4 heads of 64, 512 and 1,024 steps)."""


def delta_step(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One step: ``S_t = S_{t-1} + beta k (v - k S_{t-1})`` and ``o = q S_t``.

    Args:
        q: ``(B, H, K)``.
        k: ``(B, H, K)``.
        v: ``(B, H, V)``.
        beta: writing strength within [0, 1], or [0, 2] for negative eigenvalues, ``(B, H)``.
        state: S_{t-1}, ``(B, H, K, V)``.

    Returns:
        o, ``(B, H, V)``, and S_t, ``(B, H, K, V)``.
    """
    change = beta.unsqueeze(-1) * (v - recall(k, state))  # (B, H, V)
    state = state + k.unsqueeze(-1) * change.unsqueeze(-2)
    return recall(q, state), state


def gated_delta_step(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of a memory that decays first: ``S_t = a S + beta k (v - k a S)``, ``a = exp(log_decay)``.

    Args:
        q: ``(B, H, K)``.
        k: ``(B, H, K)``.
        v: ``(B, H, V)``.
        beta: writing strength, ``(B, H)``.
        log_decay: logarithm of the decay alpha, at most 0, ``(B, H)``; minus infinity forgets everything.
        state: S_{t-1}, ``(B, H, K, V)``.

    Returns:
        o, ``(B, H, V)``, and S_t, ``(B, H, K, V)``.
    """
    return delta_step(q, k, v, beta, log_decay.exp().unsqueeze(-1).unsqueeze(-1) * state)


def recall(key: Tensor, state: Tensor) -> Tensor:
    """What a key recalls, ``k S``: ``(B, H, K)`` and ``(B, H, K, V)`` to ``(B, H, V)``."""
    return torch.matmul(key.unsqueeze(-2), state).squeeze(-2)


def delta_rule(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, initial_state: Tensor | None = None, chunk: int | None = None
) -> tuple[Tensor, Tensor]:
    """A sequence of ``delta_step``s, one after another or in parallel over chunks of steps.

    A step with ``beta`` 0 leaves the memory as it was. Half-precision inputs are computed in float32, also under
    autocast, and the state is returned in float32. On CUDA, in chunks, in half precision and without gradients the
    kernels of flash-linear-attention compute it where they are installed (``pip install "memnets[fla]"``).

    Args:
        q: ``(B, T, H, K)``, not scaled here.
        k: ``(B, T, H, K)``, not normalised here.
        v: ``(B, T, H, V)``.
        beta: writing strength, ``(B, T, H)``.
        initial_state: S_0, ``(B, H, K, V)``; zeros by default.
        chunk: Steps to compute at once (Yang et al. 2024), equal to the recurrent form up to rounding and many times
            faster; ``DELTA_CHUNK`` is a good one. By default the steps are taken one by one.

    Returns:
        o, ``(B, T, H, V)``, and the state after the last step, ``(B, H, K, V)``.

    Raises:
        ValueError: Shapes do not fit one another, or ``chunk`` is below 1.
    """
    sequences = {"q": q, "k": k, "v": v, "beta": beta}
    return recurrence(delta_step, chunked_delta_rule, sequences, initial_state, chunk)


def gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    log_decay: Tensor,
    initial_state: Tensor | None = None,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """A sequence of ``gated_delta_step``s, one after another or in parallel over chunks of steps.

    A step with ``beta`` 0 and ``log_decay`` 0 leaves the memory as it was.

    Args:
        q: ``(B, T, H, K)``, not scaled here.
        k: ``(B, T, H, K)``, not normalised here.
        v: ``(B, T, H, V)``.
        beta: writing strength, ``(B, T, H)``.
        log_decay: logarithm of the decay, at most 0, ``(B, T, H)``.
        initial_state: S_0, ``(B, H, K, V)``; zeros by default.
        chunk: Steps to compute at once, as in ``delta_rule``.

    Returns:
        o, ``(B, T, H, V)``, and the state after the last step, ``(B, H, K, V)``.

    Raises:
        ValueError: Shapes do not fit one another, or ``chunk`` is below 1.
    """
    sequences = {"q": q, "k": k, "v": v, "beta": beta, "log_decay": log_decay}
    return recurrence(gated_delta_step, chunked_gated_delta_rule, sequences, initial_state, chunk)
