"""Reading: Graves et al. 2014, section 3.1, equation 2."""

import torch
from torch import Tensor


def read(memory: Tensor, read_weights: Tensor) -> Tensor:
    """Weighted sum of the slots (equation 2).

    Args:
        memory: ``(B, N, M)``.
        read_weights: ``(B, R, N)``.

    Returns:
        r, ``(B, R, M)``.
    """
    return torch.bmm(read_weights, memory)
