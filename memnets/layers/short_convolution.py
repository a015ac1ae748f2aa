"""A causal convolution over the last few steps, each feature by itself: Yang et al. 2024, section 3.3."""

import torch
from torch import Tensor, nn

from ..base.checks import check_whole


class ShortConvolution(nn.Module):
    """``y_t = sum_i w_i x_{t-i}`` over C steps, with the last C - 1 inputs carried from call to call.

    Args:
        features: F.
        steps: C, the present one included.
    """

    def __init__(self, features: int, steps: int):
        super().__init__()
        check_whole("convolution", steps)
        self.steps = steps
        bound = steps**-0.5
        self.weight = nn.Parameter(torch.empty(steps, features).uniform_(-bound, bound))  # (C, F), the oldest first

    def forward(self, x: Tensor, recent: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolve ``x (B, T, F)`` after ``recent (B, C - 1, F)``.

        Returns:
            ``(B, T, F)`` and the last C - 1 inputs of each sequence, ``(B, C - 1, F)``.
        """
        steps = x.shape[1]
        window = torch.cat([recent, x.to(recent.dtype)], dim=1)  # (B, C - 1 + T, F)
        mixed = window[:, :steps] * self.weight[0]
        for i in range(1, self.steps):
            mixed = torch.addcmul(mixed, window[:, i : i + steps], self.weight[i])
        return mixed, last_steps(window, self.steps - 1, lengths)


def last_steps(window: Tensor, count: int, lengths: Tensor | None) -> Tensor:
    """The ``count`` steps of each sequence before its end, of a window that has as many before its first step.

    Args:
        window: ``(B, count + T, ...)``.
        count: how many.
        lengths: ``(B,)``, or None for T.
    """
    if lengths is None:
        return window[:, window.shape[1] - count :]
    index = lengths.unsqueeze(1) + torch.arange(count, device=lengths.device)  # (B, count)
    return window.take_along_dim(index.view(*index.shape, *[1] * (window.dim() - 2)), dim=1)
