"""Writing: Graves et al. 2014, section 3.2, equations 3 and 4."""

import torch
from torch import Tensor


def write(memory: Tensor, write_weights: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """All erases (equation 3), then all adds (equation 4), so that the order of the heads does not matter.

    ``M'(i) = M(i) * prod_w (1 - w_w(i) e_w) + sum_w w_w(i) a_w``

    Args:
        memory: ``(B, N, M)``.
        write_weights: ``(B, W, N)``.
        erase: e within [0, 1], ``(B, W, M)``.
        add: a, ``(B, W, M)``.

    Returns:
        The new memory, ``(B, N, M)``.
    """
    for weights_w, erase_w in zip(write_weights.unbind(1), erase.unbind(1)):
        erased = weights_w.unsqueeze(-1) * erase_w.unsqueeze(-2)  # (B, N, M)
        memory = torch.addcmul(memory, memory, erased, value=-1)
    return torch.baddbmm(memory, write_weights.transpose(1, 2), add)
