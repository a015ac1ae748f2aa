"""Content addressing: Graves et al. 2014, section 3.3.1, equations 5 and 6."""

import torch
from torch import Tensor

EPSILON = 1e-6
"""Added to squared norms, so that a zero vector has similarity 0 and a finite gradient."""


def cosine_similarity(memory: Tensor, key: Tensor) -> Tensor:
    """Cosine of the angle between each key and each slot (equation 6).

    The norms are ``sqrt(|a|^2 + 1e-6)``: a zero vector is similar to nothing.

    Args:
        memory: ``(B, N, M)``.
        key: ``(B, H, M)``.

    Returns:
        ``(B, H, N)``, each value within [-1, 1].
    """
    dot = torch.bmm(key, memory.transpose(1, 2))  # (B, H, N)
    key_norm = (key.square().sum(-1, keepdim=True) + EPSILON).sqrt()  # (B, H, 1)
    memory_norm = (memory.square().sum(-1) + EPSILON).sqrt().unsqueeze(1)  # (B, 1, N)
    return dot / (key_norm * memory_norm)


def content_weights(memory: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """Weighting by similarity of content (equation 5): softmax over slots of ``strength * cosine``.

    Args:
        memory: ``(B, N, M)``.
        key: k, ``(B, H, M)``.
        strength: beta >= 0, ``(B, H)``.

    Returns:
        w^c, ``(B, H, N)``; each head's weights sum to 1.
    """
    return torch.softmax(strength.unsqueeze(-1) * cosine_similarity(memory, key), dim=-1)
