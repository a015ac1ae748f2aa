"""Whole-batch tensor operations that lay sequences of different lengths side by side."""

import torch
from torch import Tensor


def random_bits(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Fair, independent bits of the given shape: float32, on the generator's device."""
    return torch.randint(0, 2, shape, generator=generator, device=generator.device, dtype=torch.float32)


def steps(count: int | Tensor, device: torch.device) -> Tensor:
    """The step numbers 0 to ``count - 1``, one row for all sequences: ``(1, count)``, int64."""
    return torch.arange(int(count), device=device).unsqueeze(0)


def take_steps(vectors: Tensor, source: Tensor, valid: Tensor) -> Tensor:
    """Copy steps of each sequence to other places.

    Args:
        vectors: ``(B, S, F)``.
        source: ``(B, T)``, int64; the step of ``vectors`` to take. Any value where ``valid`` is False.
        valid: ``(B, T)``, bool.

    Returns:
        ``(B, T, F)``: ``vectors[b, source[b, t]]`` where valid, else zeros.
    """
    index = torch.where(valid, source, 0).unsqueeze(-1).expand(-1, -1, vectors.shape[-1])  # (B, T, F)
    return vectors.gather(1, index) * valid.unsqueeze(-1)


def bit_text(vectors: Tensor) -> str:
    """Vectors of bits ``(L, bits)`` as text, parted by spaces: "0110 1011"."""
    return " ".join("".join(str(int(bit)) for bit in vector) for vector in vectors.tolist())
