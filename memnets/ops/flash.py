"""The delta rule by the kernels of flash-linear-attention (``fla-core``), where they are installed and can serve.

They run on CUDA and in half precision, over chunks of steps as ``delta_chunks`` does, and here forward alone: their way
back (fla-core 0.6.0, torch 2.11, an H100) ended in an illegal memory access.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.transforms import exporting, transformed

HALF = (torch.bfloat16, torch.float16)
LARGEST = 256
"""Numbers of a key or value that fit into a kernel, in multiples of 32."""

FORGOTTEN = -60.0
"""A logarithm of decay below which nothing is left; differences of two minus infinities would be undefined."""


class Kernels(NamedTuple):
    """``(q, k, v, beta, ...)`` and ``(q, k, v, log_decay, beta, ...)``, to outputs and the last state."""

    delta_rule: Callable[..., Any]
    gated_delta_rule: Callable[..., Any]


@functools.cache
def kernels() -> Kernels | None:
    """Those of flash-linear-attention; None where it is not installed or cannot be imported here."""
    try:
        from fla.ops.delta_rule import chunk_delta_rule  # pyright: ignore[reportMissingImports]
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule  # pyright: ignore[reportMissingImports]
    except Exception:  # it asks Triton for a driver while it is imported
        return None
    return Kernels(chunk_delta_rule, chunk_gated_delta_rule)


def serves(sequences: dict[str, Tensor], initial_state: Tensor) -> bool:
    """Whether the kernels are there, and can compute a recurrence over these sequences that asks for no gradient."""
    q, v = sequences["q"], sequences["v"]
    fit = all(0 < size <= LARGEST and size % 32 == 0 for size in (q.shape[-1], v.shape[-1]))
    learnt = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*sequences.values(), initial_state))
    kind = "beta" in sequences and not learnt and q.is_cuda and v.dtype in HALF and fit
    plain = exporting() or transformed() or torch.compiler.is_compiling()  # its kernels break a graph
    return kind and v.numel() > 0 and not plain and kernels() is not None


def flash_delta_rule(sequences: dict[str, Tensor], initial_state: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs ``(B, T, H, V)`` in the dtype of v and the last state ``(B, H, K, V)`` in float32.

    Args:
        sequences: as of ``recurrence``, gated where there is a "log_decay"; the last state's sums are in float32.
        initial_state: ``(B, H, K, V)``.
    """
    found = kernels()
    assert found is not None
    dtype = sequences["v"].dtype
    q, k, v = (sequences[name].to(dtype).contiguous() for name in ("q", "k", "v"))
    beta = sequences["beta"].float().contiguous()
    given = {"scale": 1.0, "initial_state": initial_state.float().contiguous(), "output_final_state": True}
    if "log_decay" not in sequences:
        return found.delta_rule(q, k, v, beta, **given)
    log_decay = sequences["log_decay"].float().clamp(min=FORGOTTEN).contiguous()
    return found.gated_delta_rule(q, k, v, log_decay, beta, **given)
