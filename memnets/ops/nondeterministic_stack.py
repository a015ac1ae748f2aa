"""A stack of a weighted pushdown automaton, all of whose runs are followed at once: DuSell & Chiang 2020 and 2022.

The papers sum the weights of runs as they are, in logarithms. Here each weight is a share of all runs at its step, so
that all numbers lie within 0..1; a step's shares do not change if its actions are all weighed alike.
"""

import torch
from torch import Tensor


def nondeterministic_stack_step(
    tops: Tensor, standing: Tensor, beneath: Tensor, push: Tensor, replace: Tensor, pop: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """All runs take one action more, by its weight (2020, equations 4 to 6; 2022, equations 1 to 4).

    Q states and S symbols. Slot n is the top of the stack at a time n, as far as something was put on it; slot 0 is the
    bottom's own place, which nothing can take away.

    Args:
        tops: the share of runs in each state with each symbol on top, ``(B, Q, S)``. The forward weights alpha.
        standing: the share of runs whose top stands on slot n, ``(B, N, Q, S, Q, S)``: by state and symbol of the slot,
            then of now. The inner weights gamma, times alpha of the slot.
        beneath: for each slot, of its runs with a state and symbol, the share that stands on an earlier slot,
            ``(B, N, N, Q, S, Q, S)``: by the slot, the earlier one, state and symbol of the earlier, then of the slot.
        push: weights >= 0 of going from a state and a symbol to a state by putting a symbol on it, ``(B, Q, S, Q, S)``.
        replace: the same by putting a symbol in its place.
        pop: of taking the symbol off, ``(B, Q, S, Q)``.

    Returns:
        The three after the step, with a slot more: the top before it.
    """
    shares = _share(standing, tops[:, None, None, None])
    popped = torch.einsum("bnuysz,bszr->bnuyr", standing, pop)  # what stood on a slot is gone: its symbol is the top
    popped = torch.einsum("bniqxuy,bnuyr->biqxry", beneath, popped)
    replaced = torch.einsum("biqxsz,bszry->biqxry", standing, replace)
    pushed = tops[..., None, None] * push  # (B, Q, S, Q, S)
    standing = torch.cat([popped + replaced, pushed.unsqueeze(1)], dim=1)
    total = standing.sum(dim=(1, 2, 3, 4, 5)).view(-1, 1, 1, 1, 1, 1)
    standing = _share(standing, total)
    row = torch.cat([shares, torch.zeros_like(shares[:, :1])], dim=1).unsqueeze(1)  # of the new slot
    beneath = torch.cat([torch.cat([beneath, torch.zeros_like(beneath[:, :, :1])], dim=2), row], dim=1)
    return standing.sum(dim=(1, 2, 3)), standing, beneath


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """Their quotient, 0 where the whole is next to nothing; so that gradients are finite."""
    least = torch.finfo(whole.dtype).tiny ** 0.5
    return torch.where(whole > least, part / whole.clamp_min(least), 0.0)
