"""What several heads read, as the output of a layer: normalised, gated and mixed (Yang, Kautz & Hatamizadeh 2024)."""

from torch import Tensor, nn
from torch.nn import functional as F

NORM_EPSILON = 1e-6
"""Added to the mean of squares in every RMS norm."""


class GatedOutput(nn.Module):
    """``y = W_o (RMSNorm(o) * silu(W_g x))``, with a norm for each head.

    Args:
        hidden_size: D.
        heads: H.
        width: V, numbers that a head reads.
    """

    def __init__(self, hidden_size: int, heads: int, width: int):
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=NORM_EPSILON)
        self.gate = nn.Linear(hidden_size, heads * width, bias=False)
        self.mix = nn.Linear(heads * width, hidden_size, bias=False)

    def forward(self, o: Tensor, x: Tensor) -> Tensor:
        """``o (B, T, H, V)`` read for inputs ``x (B, T, D)``, as ``(B, T, D)``."""
        return self.mix(self.norm(o).flatten(2) * F.silu(self.gate(x)))
