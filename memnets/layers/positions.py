"""Where a step stands, for attention: sinusoids, rotations and linear penalties, computed as they are needed."""

import math

import torch
from torch import Tensor

POSITIONS = ("none", "sinusoidal", "rotary", "alibi")


def angles(places: Tensor, size: int, dtype: torch.dtype, base: float = 10_000.0) -> Tensor:
    """``place * base^(-i / size)`` for i below ``size``: ``(...)`` to ``(..., size)``, in float32 at least."""
    dtype = torch.promote_types(dtype, torch.float32)
    rates = torch.arange(size, device=places.device, dtype=dtype).mul(-math.log(base) / max(size, 1)).exp()
    return places.to(dtype).unsqueeze(-1) * rates


def sinusoids(places: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Sines, then cosines, of falling frequencies: Vaswani et al. 2017, section 3.5. ``(...)`` to ``(..., size)``."""
    angle = angles(places, -(-size // 2), dtype)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)[..., :size].to(dtype)


def rotate(vectors: Tensor, places: Tensor) -> Tensor:
    """Turn each pair of numbers by an angle that grows with the place: Su et al. 2021, equation 34.

    Number i is paired with the one half a vector further on; of an odd size the last number stays.

    Args:
        vectors: ``(B, T, H, K)``.
        places: ``(B, T)``.
    """
    half = vectors.shape[-1] // 2
    angle = angles(places, half, vectors.dtype).unsqueeze(2)  # (B, T, 1, K / 2)
    cos, sin = angle.cos().to(vectors.dtype), angle.sin().to(vectors.dtype)
    a, b, rest = vectors.split([half, half, vectors.shape[-1] - 2 * half], dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], dim=-1)


def penalties(heads: int, distances: Tensor, dtype: torch.dtype) -> Tensor:
    """What ALiBi adds to scores, ``-2^(-8 h / H)`` a step for head h = 1..H: Press et al. 2022, section 3.

    Args:
        heads: H.
        distances: steps from a key to a query, ``(B, T, N)``.
        dtype: of the result.

    Returns:
        ``(B, H, T, N)``.
    """
    numbers = torch.arange(1, heads + 1, device=distances.device, dtype=torch.promote_types(dtype, torch.float32))
    slopes = torch.exp2(-8.0 * numbers / heads).view(1, heads, 1, 1)
    return (-slopes * distances.unsqueeze(1)).to(dtype)


def draw_places(steps: int, longest: int, *, seed: int | None = None, device: torch.device | None = None) -> Tensor:
    """Where the steps of a sequence stand: as many of 0..longest - 1, in order. Ruoss et al. 2023, section 3.

    Args:
        steps: T.
        longest: L, at least T.
        seed: the same gives the same places; None draws from torch's own random numbers.
        device: of the result.

    Returns:
        ``(1, T)``, int64, ascending.

    Raises:
        ValueError: there are more steps than places.
    """
    if steps > longest:
        raise ValueError(
            f"a sequence has {steps} steps, but their places are drawn from {longest}: make the model with "
            f"randomized={steps} or more"
        )
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return torch.randperm(longest, generator=generator)[:steps].sort().values.unsqueeze(0).to(device)
