"""Random choices for whole batches."""

import torch
from torch import Tensor


def distinct(shape: tuple[int, ...], count: int, high: int, generator: torch.Generator) -> Tensor:
    """``count`` different whole numbers from 0 to ``high - 1`` in random order, every choice as likely as any other.

    Args:
        shape: How many such choices.
        count: How many numbers of each.
        high: One past the largest number; at least ``count``.
        generator: Source of randomness.

    Returns:
        ``(*shape, count)``, int64.
    """
    if count * count > high:  # many would be drawn twice
        return torch.rand((*shape, high), generator=generator, device=generator.device).topk(count, dim=-1).indices
    drawn = torch.randint(high, (*shape, count), generator=generator, device=generator.device)
    flat = drawn.view(-1, count)
    row, place = _repeated(flat)
    while len(row):  # numbers that stood there already are drawn again, until there is none; no number is preferred
        flat[row, place] = torch.randint(high, row.shape, generator=generator, device=generator.device)
        still = (flat[row] == flat[row, place].unsqueeze(1)).sum(1) > 1
        row, place = row[still], place[still]
    return drawn


def _repeated(drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and places in ``(B, count)`` of the numbers that stand at an earlier place of their row too."""
    alike = drawn.unsqueeze(2) == drawn.unsqueeze(1)  # (B, count, count)
    row, place = alike.tril_(-1).any(2).nonzero(as_tuple=True)
    return row, place


def one_of(allowed: Tensor, generator: torch.Generator) -> Tensor:
    """One of the places that are allowed, each as likely: ``(..., n)`` bool to ``(...)`` int64.

    A row must allow one at least.
    """
    draws = torch.rand(allowed.shape, generator=generator, device=generator.device)
    return torch.where(allowed, draws, -1.0).argmax(-1)


def up_to(high: Tensor, generator: torch.Generator) -> Tensor:
    """Whole numbers from 0 to ``high - 1``, one for each element of ``high``, int64, each as likely as any other."""
    draws = torch.rand(high.shape, generator=generator, device=generator.device, dtype=torch.float64)
    return (draws * high).long()  # draws end 2**-53 below 1, so that no product rounds to high


def between(low: int | Tensor, high: Tensor, generator: torch.Generator) -> Tensor:
    """Whole numbers from ``low`` to ``high``, both included, one for each element of ``high``."""
    return low + up_to(high - low + 1, generator)


def whole(low: int, high: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Whole numbers from ``low`` to ``high``, both included, of the given shape."""
    return torch.randint(low, high + 1, shape, generator=generator, device=generator.device)
