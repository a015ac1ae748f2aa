"""Sparse temporal links: Rae et al. 2016, appendix D. A row of links is K_L slots and a weight for each.

Where slots are given with weights, a slot may stand there more than once: its weights then add up. The paper's N and P,
links backward and forward, are each other's transposes but for what a row leaves out. Slots that hold no link stand in
a row with weight 0.
"""

import torch
from torch import Tensor

from .order import sort_stably


def _total_weights(index: Tensor, weights: Tensor) -> Tensor:
    """What each slot has in all, at each of its places: ``(..., A)`` both."""
    same = index.unsqueeze(-1) == index.unsqueeze(-2)  # (..., A, A)
    return torch.matmul(same.to(weights.dtype), weights.unsqueeze(-1)).squeeze(-1)


def _first_places(index: Tensor) -> Tensor:
    """Whether a slot stands there for the first time: ``(..., A)``, bool."""
    earlier = (index.unsqueeze(-1) == index.unsqueeze(-2)).tril(-1)
    return ~earlier.any(-1)


def keep_largest(index: Tensor, weights: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The slots of the largest weights, each once: ``(..., A)`` to ``(..., count)``, the largest first.

    Args:
        index: slots, int64.
        weights: at least 0.
        count: at most A.
    """
    totals = torch.where(_first_places(index), _total_weights(index, weights), 0)
    order = sort_stably(totals.detach().abs(), descending=True)[1][..., :count]
    return index.gather(-1, order), totals.gather(-1, order)


def sparse_precedence(
    prev_index: Tensor, prev_precedence: Tensor, index: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Which slots were written last: ``p_t = (1 - sum_i w(i)) p_{t-1} + w``, of which the largest are kept.

    Args:
        prev_index: the slots of p_{t-1}, ``(B, H, K)``.
        prev_precedence: p_{t-1}, ``(B, H, K)``.
        index: slots that each head writes, ``(B, H, A)``.
        weights: w, ``(B, H, A)``.

    Returns:
        The slots of p_t and its weights, ``(B, H, K)`` each.
    """
    left = (1 - weights.sum(-1, keepdim=True)) * prev_precedence
    return keep_largest(
        torch.cat([index, prev_index], dim=-1), torch.cat([weights, left], dim=-1), prev_index.shape[-1]
    )


def link_back(
    links: tuple[Tensor, Tensor], index: Tensor, weights: Tensor, prev_index: Tensor, prev_precedence: Tensor
) -> tuple[Tensor, Tensor]:
    """Links back from what is written: ``N(i, j) = (1 - w(i)) N(i, j) + w(i) p_{t-1}(j)``, and 0 where i = j.

    Args:
        links: slots and weights of N_{t-1}, ``(B, H, N, K)`` each.
        index: slots that each head writes, ``(B, H, A)``.
        weights: w_t, ``(B, H, A)``.
        prev_index: the slots of p_{t-1}, ``(B, H, K)``.
        prev_precedence: p_{t-1}, ``(B, H, K)``.

    Returns:
        Slots and weights of N_t.
    """
    written = _total_weights(index, weights)
    added = written.unsqueeze(-1) * prev_precedence.unsqueeze(2)  # (B, H, A, K)
    return _add_to_rows(links, index, prev_index, added, 1 - written)


def link_on(
    links: tuple[Tensor, Tensor],
    back: tuple[Tensor, Tensor],
    index: Tensor,
    weights: Tensor,
    prev_index: Tensor,
    prev_precedence: Tensor,
) -> tuple[Tensor, Tensor]:
    """Links on to what is written: ``P(i, j) = (1 - w(j)) P(i, j) + w(j) p_{t-1}(i)``, and 0 where i = j.

    Old links to a slot that is written are found by those that lead back from it.

    Args:
        links: slots and weights of P_{t-1}, ``(B, H, N, K)`` each.
        back: those of N_{t-1}.
        index: slots that each head writes, ``(B, H, A)``.
        weights: w_t, ``(B, H, A)``.
        prev_index: the slots of p_{t-1}, ``(B, H, K)``.
        prev_precedence: p_{t-1}, ``(B, H, K)``.

    Returns:
        Slots and weights of P_t.
    """
    slots, values = links
    written = torch.where(_first_places(index), _total_weights(index, weights), 0)
    origins = rows_of(back[0], index)  # (B, H, A, K)
    lost = torch.where(_first_places(origins), written.unsqueeze(-1), 0).flatten(2).unsqueeze(-1)  # (B, H, A K, 1)
    rows, to = origins.flatten(2), index.repeat_interleave(slots.shape[-1], -1).unsqueeze(-1)
    found = rows_of(slots, rows) == to  # (B, H, A K, K)
    change = torch.where(found, -lost * rows_of(values, rows), 0)
    values = values.scatter_add(2, rows.unsqueeze(-1).expand_as(change), change)
    before = _total_weights(prev_index, prev_precedence)
    added = before.unsqueeze(-1) * weights.unsqueeze(2)  # (B, H, K, A)
    return _add_to_rows((slots, values), prev_index, index, added, torch.ones_like(before))


def follow_links(links: tuple[Tensor, Tensor], index: Tensor, weights: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Where the links of some slots lead: ``sum_j w(j) L(j, i)``, of which the largest are kept.

    Args:
        links: slots and weights, ``(B, H, N, K)`` each.
        index: slots that each head read, ``(B, H, R)``.
        weights: by how much, ``(B, H, R)``.
        count: at most R K.

    Returns:
        Slots and weights, ``(B, H, count)`` each.
    """
    slots, values = rows_of(links[0], index), rows_of(links[1], index)  # (B, H, R, K)
    return keep_largest(slots.flatten(2), (weights.unsqueeze(-1) * values).flatten(2), count)


def rows_of(table: Tensor, index: Tensor) -> Tensor:
    """Rows ``index (B, H, A)`` of ``(B, H, N, K)``: ``(B, H, A, K)``."""
    return table.gather(2, index.unsqueeze(-1).expand(*index.shape, table.shape[-1]))


def _add_to_rows(
    links: tuple[Tensor, Tensor], rows: Tensor, index: Tensor, weights: Tensor, kept: Tensor
) -> tuple[Tensor, Tensor]:
    """Rows ``(B, H, A)`` times ``kept``, and to each other slots ``index (B, H, C)`` by ``weights (B, H, A, C)``.

    A row that is named more than once is the same each time, and is written with the gradient of the first.
    """
    slots, values = links
    others = index.unsqueeze(2).expand_as(weights)  # (B, H, A, C)
    weights = torch.where(others == rows.unsqueeze(-1), 0, weights)
    old = kept.unsqueeze(-1) * rows_of(values, rows)
    found = keep_largest(
        torch.cat([rows_of(slots, rows), others], dim=-1), torch.cat([old, weights], dim=-1), slots.shape[-1]
    )
    new = torch.where(_first_places(rows).unsqueeze(-1), found[1], found[1].detach())
    places = rows.unsqueeze(-1).expand_as(new)
    return slots.scatter(2, places, found[0]), values.scatter(2, places, new)
