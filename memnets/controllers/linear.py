"""Recurrent layers as linear operations, which function transforms know, unlike torch's own cells."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def lstm_step(layer: nn.LSTMCell, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """What ``layer(x, (h, c))`` gives: x (B, I), h and c (B, H) to the next h and c."""
    gates = F.linear(x, layer.weight_ih, layer.bias_ih) + F.linear(h, layer.weight_hh, layer.bias_hh)  # (B, 4 H)
    i, f, g, o = gates.chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(layer: nn.GRUCell, x: Tensor, h: Tensor) -> Tensor:
    """What ``layer(x, h)`` gives: x (B, I) and h (B, H) to the next h."""
    r, z, n = F.linear(x, layer.weight_ih, layer.bias_ih).chunk(3, dim=-1)  # (B, H) each
    r_h, z_h, n_h = F.linear(h, layer.weight_hh, layer.bias_hh).chunk(3, dim=-1)
    candidate = torch.tanh(n + torch.sigmoid(r + r_h) * n_h)
    return torch.lerp(candidate, h, torch.sigmoid(z + z_h))


def rnn_step(layer: nn.RNNCell, x: Tensor, h: Tensor) -> Tensor:
    """What ``layer(x, h)`` gives: x (B, I) and h (B, H) to the next h."""
    return torch.tanh(F.linear(x, layer.weight_ih, layer.bias_ih) + F.linear(h, layer.weight_hh, layer.bias_hh))
