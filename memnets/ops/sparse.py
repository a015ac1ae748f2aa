"""Sparse access: Rae et al. 2016, sections 3.1 and 3.2. A weighting is K slots a head and a weight for each."""

import torch
from torch import Tensor

from .content import EPSILON, cosine_similarity
from .order import sort_stably


def most_similar(memory: Tensor, key: Tensor, count: int) -> Tensor:
    """The slots that are most like each key, by exact search; of slots alike the first. No gradient flows.

    Args:
        memory: ``(B, N, M)``.
        key: q, ``(B, H, M)``.
        count: K, at most N.

    Returns:
        Indices, ``(B, H, K)``, int64, the most similar first.
    """
    with torch.no_grad():
        similarity = cosine_similarity(memory, key)  # (B, H, N)
        if memory.shape[1] > SORTED:
            values, index = similarity.topk(count, dim=-1)
            last = values[..., -1:]
            if torch.equal((similarity == last).sum(-1), (values == last).sum(-1)):  # none like the last is left out
                index = index.sort(dim=-1).values
                order = sort_stably(similarity.gather(-1, index), descending=True)[1]
                return index.gather(-1, order)
        return sort_stably(similarity, descending=True)[1][..., :count]


SORTED = 4096
"""Slots over which sorting all of them costs more than the search."""


def row_weights(rows: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Content weights over K slots alone, all others having none (section 3.1): softmax of ``beta * cosine``.

    Args:
        rows: what the slots hold, ``(B, H, K, M)``.
        key: q, ``(B, H, M)``.
        strength: beta >= 0, ``(B, H)``.

    Returns:
        w^R, ``(B, H, K)``.
    """
    dot = torch.matmul(rows, key.unsqueeze(-1)).squeeze(-1)  # (B, H, K)
    key_norm = (key.square().sum(-1, keepdim=True) + EPSILON).sqrt()  # (B, H, 1)
    row_norm = (torch.linalg.vecdot(rows, rows) + EPSILON).sqrt()  # (B, H, K)
    return torch.softmax(strength.unsqueeze(-1) * dot / (key_norm * row_norm), dim=-1)


def read_rows(rows: Tensor, weights: Tensor) -> Tensor:
    """``r = sum_i w(s_i) M(s_i)`` (equation 4): rows ``(B, H, K, M)`` and weights ``(B, H, K)`` to ``(B, H, M)``."""
    return torch.matmul(weights.unsqueeze(-2), rows).squeeze(-2)


def take_rows(memory: Tensor, index: Tensor) -> Tensor:
    """Slots ``index (B, H, K)`` of ``memory (B, N, M)``: ``(B, H, K, M)``."""
    flat = index.flatten(1).unsqueeze(-1).expand(-1, -1, memory.shape[-1])  # (B, H K, M)
    return memory.gather(1, flat).unflatten(1, index.shape[1:])


def sparse_write_weights(
    write_gate: Tensor, interpolation_gate: Tensor, read_weights: Tensor, least_recent: Tensor, read_index: Tensor
) -> tuple[Tensor, Tensor]:
    """Where each head writes (equation 5): ``w^W = alpha (gamma w^R_{t-1} + (1 - gamma) I^U)``.

    Args:
        write_gate: alpha within [0, 1], ``(B, H)``.
        interpolation_gate: gamma within [0, 1], ``(B, H)``; 1 writes where the head read last.
        read_weights: w^R_{t-1}, ``(B, H, K)``.
        least_recent: the slot of each head's indicator I^U, ``(B, H)``.
        read_index: the slots of w^R_{t-1}, ``(B, H, K)``.

    Returns:
        Slots and weights, ``(B, H, K + 1)`` each; the last is the least recently used slot.
    """
    shares = torch.cat([interpolation_gate.unsqueeze(-1) * read_weights, 1 - interpolation_gate.unsqueeze(-1)], dim=-1)
    return torch.cat([read_index, least_recent.unsqueeze(-1)], dim=-1), write_gate.unsqueeze(-1) * shares


def sparse_write(memory: Tensor, cleared: Tensor, index: Tensor, weights: Tensor, values: Tensor) -> Tensor:
    """Clear some slots, then add to some: ``M_t = (1 - R_t) M_{t-1} + sum_h w^W_h a_h`` (equation 3).

    Args:
        memory: M_{t-1}, ``(B, N, M)``.
        cleared: slots to be cleared, ``(B, H)``.
        index: slots to be written, ``(B, H, K)``, which may repeat.
        weights: w^W, ``(B, H, K)``.
        values: a, ``(B, H, M)``.

    Returns:
        M_t, ``(B, N, M)``.
    """
    width = memory.shape[-1]
    memory = memory.scatter(1, cleared.unsqueeze(-1).expand(-1, -1, width), 0.0)
    added = (weights.unsqueeze(-1) * values.unsqueeze(2)).flatten(1, 2)  # (B, H K, M)
    return memory.scatter_add(1, index.flatten(1).unsqueeze(-1).expand(-1, -1, width), added)


def least_recent(last_access: Tensor, count: int) -> Tensor:
    """The slots that were accessed the longest ago: ``last_access (B, N)`` to indices ``(B, count)``.

    Of equals the first comes first.
    """
    slots = last_access.shape[1]
    if slots <= SORTED:
        return sort_stably(last_access)[1][:, :count]
    ranks = last_access * slots + torch.arange(slots, device=last_access.device)
    return ranks.topk(count, dim=-1, largest=False).indices


def update_access(last_access: Tensor, time: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """When each slot was last accessed by more than :data:`ACCESSED` (section 3.2, usage U^(2)).

    Args:
        last_access: ``(B, N)``, steps.
        time: of this step, ``(B,)``.
        index: slots that were read or written, ``(B, A)``, which may repeat.
        weights: by how much, ``(B, A)``.

    Returns:
        ``(B, N)``.
    """
    access = weights.new_zeros(last_access.shape).scatter_add(1, index, weights.detach())
    return torch.where(access > ACCESSED, time.unsqueeze(-1), last_access)


ACCESSED = 0.005
"""delta of the paper: what is read and written by less does not count as accessed."""
