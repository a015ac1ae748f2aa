"""How much of a memory a step leaves: Yang, Kautz & Hatamizadeh 2024, section 3; Dao & Gu 2024 (Mamba-2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Decay(nn.Module):
    """Logarithm of each head's decay, ``log a_t = -exp(r) softplus(W x_t + b)``.

    At the start the heads forget at rates exp(r) from 1 to 16, over steps of 0.001 to 0.1.

    Args:
        hidden_size: D.
        heads: H.
    """

    def __init__(self, hidden_size: int, heads: int):
        super().__init__()
        self.step = nn.Linear(hidden_size, heads)
        self.log_rate = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())  # r
        with torch.no_grad():
            size = torch.empty(heads).uniform_(-3, -1).mul(torch.tensor(10.0).log()).exp()
            self.step.bias.copy_(size + torch.log(-torch.expm1(-size)))  # softplus gives the size back

    def forward(self, x: Tensor) -> Tensor:
        """``x (B, T, D)`` to log a, ``(B, T, H)``, at most 0."""
        return self.log_rate.exp() * F.logsigmoid(-self.step(x))  # -softplus(z) is logsigmoid(-z)
