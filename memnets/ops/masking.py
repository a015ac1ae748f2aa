"""Masked content addressing: Csordas & Schmidhuber 2019, section 3.1."""

import torch
from torch import Tensor

from .content import EPSILON

MASK_FLOOR = 0.1
"""The least value of a mask: ``mask * 0.9 + 0.1`` is what keys and slots are multiplied with."""


def masked_cosine_similarity(memory: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    """Cosine of the angle between each key and each slot, both multiplied by the head's mask.

    Args:
        memory: ``(B, N, M)``.
        key: ``(B, H, M)``.
        mask: within [0, 1], ``(B, H, M)``; the parts of the key to look at. It is raised to at least 0.1.

    Returns:
        ``(B, H, N)``, each value within [-1, 1].
    """
    squared_mask = (mask * (1 - MASK_FLOOR) + MASK_FLOOR).square()  # (B, H, M)
    dot = torch.bmm(key * squared_mask, memory.transpose(1, 2))  # (B, H, N)
    key_norm = ((key.square() * squared_mask).sum(-1, keepdim=True) + EPSILON).sqrt()  # (B, H, 1)
    memory_norm = (torch.bmm(squared_mask, memory.square().transpose(1, 2)) + EPSILON).sqrt()  # (B, H, N)
    return dot / (key_norm * memory_norm)


def masked_content_weights(memory: Tensor, key: Tensor, strength: Tensor, mask: Tensor) -> Tensor:
    """Weighting by similarity of the masked content: softmax over slots of ``strength * cosine``.

    Args:
        memory: ``(B, N, M)``.
        key: k, ``(B, H, M)``.
        strength: beta >= 0, ``(B, H)``.
        mask: m within [0, 1], ``(B, H, M)``.

    Returns:
        c, ``(B, H, N)``; each head's weights sum to 1.
    """
    return torch.softmax(strength.unsqueeze(-1) * masked_cosine_similarity(memory, key, mask), dim=-1)
