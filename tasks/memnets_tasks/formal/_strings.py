"""Whole-batch operations on strings of symbols: ``(B, S)``, int64, with anything past a string's length."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_AT_ONCE = 192
"""Candidates that are drawn at a time, at least, where some may be rejected."""


def random_symbols(count: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Independent, uniform symbols of 0 to ``count - 1``: int64, on the generator's device."""
    return torch.randint(count, shape, generator=generator, device=generator.device)


def random_below(limits: Tensor, generator: torch.Generator) -> Tensor:
    """Independent whole numbers, each uniform over 0 to its limit - 1; limits, int64 of any shape, are at least 1."""
    draws = torch.rand(limits.shape, generator=generator, device=limits.device, dtype=torch.float64)
    return (draws * limits).long()  # the largest draw is 1 - 2**-53, so that no product rounds up to a limit


def one_hot(symbols: Tensor, count: int, valid: Tensor) -> Tensor:
    """Symbols ``(B, T)`` as ``(B, T, count)``, float32; zeros where ``valid``, ``(B, T)`` bool, is False."""
    vectors = torch.zeros(*symbols.shape, count, device=symbols.device)
    return vectors.scatter_(-1, symbols.unsqueeze(-1), valid.unsqueeze(-1).to(vectors.dtype))


def take_symbols(strings: Tensor, source: Tensor) -> Tensor:
    """``strings[b, source[b, t]]``: ``(B, T)``; something else, but a symbol, where there is no such place.

    Args:
        strings: ``(B, S)``, int64.
        source: ``(B, T)`` or ``(1, T)``, int64.
    """
    if not strings.shape[1]:
        return strings.new_zeros(len(strings), source.shape[1])
    return strings.gather(1, source.clamp(0, strings.shape[1] - 1).expand(len(strings), -1))


def reject_until(
    draw: Callable[[Tensor], tuple[Sequence[Tensor], Tensor]], count: int, device: torch.device
) -> list[Tensor]:
    """Rejection sampling of a batch: candidates of each row are drawn until one is accepted.

    Args:
        draw: For row numbers ``(N,)``, which may repeat, gives a candidate of each, as tensors ``(N, ...)`` whose other
            sizes do not depend on the rows, and whether it is accepted, ``(N,)`` bool.
        count: Rows, ``B``.
        device: Where the rows are wanted.

    Returns:
        The accepted candidates: tensors ``(B, ...)``.

    Raises:
        ValueError: If 100 rounds of candidates leave a row without one.
    """
    rows = torch.arange(count, device=device)
    accepted: list[Tensor] = []
    for _ in range(100):
        tries = -(-_AT_ONCE // len(rows))  # few rows take little longer with many candidates than with one
        candidates, fit = draw(rows.repeat(tries))
        fit = fit.view(tries, -1)  # (tries, N)
        first = fit.int().argmax(0) * len(rows) + torch.arange(len(rows), device=device)
        found = [candidate[first] for candidate in candidates]
        if not accepted:
            accepted = found
        else:
            for whole, part in zip(accepted, found):
                whole[rows] = part
        rows = rows[~fit.any(0)]
        if not len(rows):
            return accepted
    raise ValueError(
        "100 rounds of candidates left a sequence without one that was accepted; draw what is asked for more often, "
        "or ask for other lengths"
    )
