"""Dynamic memory allocation: Graves et al. 2016, Methods, section of that name; de-allocation of Csordas & Schmidhuber.

Every function passes the gradient on to all of its arguments. (DeepMind's code stops it at the write weighting in the
usage; a caller who wants that detaches the weighting.)
"""

import torch
from torch import Tensor

from .order import sort_stably

EPSILON = 1e-6
"""The least usage in an allocation: the usage is taken as ``usage * (1 - 1e-6) + 1e-6``, so that no factor is 0."""


def memory_retention(free_gate: Tensor, prev_read_weights: Tensor) -> Tensor:
    """How much of each slot is not freed by the read heads: ``psi = prod_r (1 - f_r w_r)``.

    Args:
        free_gate: f within [0, 1], ``(B, R)``.
        prev_read_weights: w^r_{t-1}, ``(B, R, N)``.

    Returns:
        psi within [0, 1], ``(B, N)``.
    """
    first, *others = (1 - free_gate.unsqueeze(-1) * prev_read_weights).unbind(1)  # (B, N) a head
    retention = first
    for kept in others:  # heads are few, and the gradient of a written-out product is a simple one
        retention = retention * kept
    return retention


def memory_usage(prev_usage: Tensor, prev_write_weights: Tensor, retention: Tensor) -> Tensor:
    """Usage: raised where the last step wrote, lowered where slots were freed, ``u_t = (u + w - u w) psi``.

    Several write heads raise it one after another, which comes to one head that wrote ``1 - prod_w (1 - w_w)``.

    Args:
        prev_usage: u_{t-1} within [0, 1], ``(B, N)``.
        prev_write_weights: w^w_{t-1}, ``(B, W, N)``.
        retention: psi_t, ``(B, N)``.

    Returns:
        u_t within [0, 1], ``(B, N)``.
    """
    usage = prev_usage
    for weights in prev_write_weights.unbind(1):
        usage = usage + weights - usage * weights
    return usage * retention


def allocation_weights(usage: Tensor) -> Tensor:
    """Weighting of the slots to write to next: most of it on the least used, ``a[j] = (1 - u[j]) prod_{i<j} u[i]``.

    The product runs over the slots in ascending order of usage; of equally used slots the first comes first. It is
    the exponential of a sum of logarithms, from which each slot's own factor is left out before summing: dividing it
    out afterwards would leave rounding errors of the gradient magnified by up to a million.

    Args:
        usage: u within [0, 1], ``(B, N)``.

    Returns:
        a, ``(B, N)``; sums to at most 1, and to nearly 0 where every slot is used.
    """
    ascending, order = sort_stably(usage * (1 - EPSILON) + EPSILON)
    logs = torch.cat([torch.zeros_like(ascending[..., :1]), ascending[..., :-1].log()], dim=-1)
    allocated = (1 - ascending) * logs.cumsum(-1).exp()
    return torch.zeros_like(allocated).scatter(-1, order, allocated)


def allocation_weights_by_head(usage: Tensor, allocation_gate: Tensor, write_gate: Tensor) -> Tensor:
    """Allocation of several write heads, each seeing as used what the heads before it are about to allocate.

    Between two heads ``u <- u + (1 - u) g^a g^w a``, as in DeepMind's code (the paper has one write head).

    Args:
        usage: u_t within [0, 1], ``(B, N)``.
        allocation_gate: g^a within [0, 1], ``(B, W)``.
        write_gate: g^w within [0, 1], ``(B, W)``.

    Returns:
        a, ``(B, W, N)``.
    """
    allocations = []
    for gate in (allocation_gate * write_gate).split(1, dim=1):  # (B, 1) a head
        allocations.append(allocation_weights(usage))
        usage = usage + (1 - usage) * gate * allocations[-1]
    return torch.stack(allocations, dim=1)


def write_weighting(content: Tensor, allocation: Tensor, allocation_gate: Tensor, write_gate: Tensor) -> Tensor:
    """Where each head writes: ``w^w = g^w (g^a a + (1 - g^a) c^w)``.

    Args:
        content: c^w, ``(B, W, N)``.
        allocation: a, ``(B, W, N)``.
        allocation_gate: g^a within [0, 1], ``(B, W)``; 1 takes the allocation alone.
        write_gate: g^w within [0, 1], ``(B, W)``; 0 writes nothing.

    Returns:
        w^w_t, ``(B, W, N)``; each head's weights sum to at most 1.
    """
    return write_gate.unsqueeze(-1) * torch.lerp(content, allocation, allocation_gate.unsqueeze(-1))


def deallocate(memory: Tensor, retention: Tensor) -> Tensor:
    """Memory without what was freed, before it is written to: ``M psi`` (Csordas & Schmidhuber 2019, section 3.2).

    Freed slots of the plain DNC keep their contents and are still found by them.

    Args:
        memory: M_{t-1}, ``(B, N, M)``.
        retention: psi_t, ``(B, N)``.

    Returns:
        ``(B, N, M)``.
    """
    return memory * retention.unsqueeze(-1)
