"""Causal attention over the last few steps, and over learned vectors that every step sees."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.checks import check_whole
from ..base.records import Record
from ..base.state_types import known_state
from .base import Layer
from .positions import rotate
from .short_convolution import last_steps


@known_state
class WindowState(NamedTuple):
    """Keys and values of the last steps, the oldest first; of a model of L layers with L after B.

    Attributes:
        keys: ``(B, w - 1, H, K)``, zeros where there was no step.
        values: ``(B, w - 1, H, K)``.
        steps: how many there were of each sequence, ``(B,)``, int64.
    """

    keys: Tensor
    values: Tensor
    steps: Tensor


class WindowAttentionLayer(Layer):
    """``softmax(q k / sqrt(K)) v`` over the last w steps and P learned keys, for each head; rotary positions.

    Its state is fixed, and so is the time of a step.

    Args:
        hidden_size: D.
        heads: H.
        window: w, steps seen, the present one included.
        persistent: P, learned keys and values beside them.

    Raises:
        ValueError: a size below its minimum, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        Beltagy, Peters & Cohan 2020, Longformer, arXiv:2004.05150 (the window); Behrouz, Zhong & Mirrokni 2024,
        arXiv:2501.00663, section 3.3 (the learned vectors, there called persistent memory).
    """

    def __init__(self, hidden_size: int, heads: int = 4, *, window: int = 32, persistent: int = 0):
        super().__init__(hidden_size, heads)
        check_whole("window", window)
        self.window = window
        self.project = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.mix = nn.Linear(hidden_size, hidden_size, bias=False)
        self.persistent = learned_keys(heads, persistent, self.width)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> WindowState:
        """No step yet."""
        keys = self.zeros(batch_size, self.window - 1, self.heads, self.width, device=device, dtype=dtype)
        return WindowState(keys, keys.clone(), self.zeros(batch_size, device=device, dtype=torch.int64))

    def run(self, x: Tensor, state: WindowState, lengths: Tensor | None) -> tuple[Tensor, WindowState]:
        """The layer over ``x (B, T, D)``."""
        q, keys, values, visible = self._attended(x, state)
        o = attend(q, keys, values, visible, self.persistent)
        total = state.steps + (x.shape[1] if lengths is None else lengths)
        before = self.window - 1
        after = WindowState(last_steps(keys, before, lengths), last_steps(values, before, lengths), total)
        return self.mix(o.flatten(2)), after

    def record(self, x: Tensor, state: WindowState) -> dict[str, Record]:
        """How much each step attends to the learned keys, and then to the steps of its window, the oldest first."""
        q, keys, values, visible = self._attended(x, state)
        q, keys, _, visible = _with_learned(q, keys, values, visible, self.persistent)
        scores = (q @ keys.transpose(-1, -2) / self.width**0.5).masked_fill(~visible.unsqueeze(1), float("-inf"))
        shares = scores.softmax(-1).transpose(1, 2)  # (B, T, H, P + N)
        learned, t = 0 if self.persistent is None else self.persistent.shape[2], torch.arange(x.shape[1])
        window = learned + t.unsqueeze(1) + torch.arange(self.window)  # (T, w)
        own = shares.take_along_dim(window.view(1, len(t), 1, -1).to(x.device), -1)
        return {"attention": Record(torch.cat([shares[..., :learned], own], -1), "weighting")}

    def _attended(self, x: Tensor, state: WindowState) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries ``(B, T, H, K)``, keys and values ``(B, N, H, K)``, and which a step sees ``(B, T, N)``."""
        count, before = x.shape[1], self.window - 1
        places = state.steps.unsqueeze(1) + torch.arange(count, device=x.device)  # (B, T)
        q, k, v = self.project(x).unflatten(-1, (3, self.heads, self.width)).unbind(2)  # (B, T, H, K) each
        q, k = rotate(q, places), rotate(k, places)
        keys, values = (torch.cat([old, new.to(old.dtype)], 1) for old, new in ((state.keys, k), (state.values, v)))
        seen = torch.arange(before + count, device=x.device)  # in ``keys``, where step t is at before + t
        ages = torch.arange(count, device=x.device).unsqueeze(1) + before - seen  # (T, N)
        real = seen >= before - state.steps.unsqueeze(1)  # (B, N)
        return q, keys, values, ((ages >= 0) & (ages < self.window)) & real.unsqueeze(1)


def learned_keys(heads: int, count: int, width: int) -> nn.Parameter | None:
    """Keys, and values, that every step sees, ``(2, H, P, K)``; None for a ``count`` of 0. ValueError if below."""
    check_whole("persistent", count, 0)
    learned = torch.randn(2, heads, count, width) * width**-0.5
    return nn.Parameter(learned) if count else None


def attend(q: Tensor, keys: Tensor, values: Tensor, visible: Tensor, persistent: Tensor | None) -> Tensor:
    """``softmax(q k / sqrt(K)) v`` over the keys that are visible, and the learned ones.

    Args:
        q: ``(B, T, H, K)``.
        keys: ``(B, N, H, K)``.
        values: ``(B, N, H, K)``.
        visible: ``(B, T, N)``, bool.
        persistent: ``(2, H, P, K)``, or None.

    Returns:
        ``(B, T, H, K)``.
    """
    q, keys, values, visible = _with_learned(q, keys, values, visible, persistent)
    added = torch.zeros_like(visible, dtype=q.dtype).masked_fill(~visible, float("-inf"))
    return F.scaled_dot_product_attention(q, keys, values, attn_mask=added.unsqueeze(1)).transpose(1, 2)


def _with_learned(
    q: Tensor, keys: Tensor, values: Tensor, visible: Tensor, persistent: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys and values ``(B, H, ., K)``, the learned ones first, and which are visible ``(B, T, P + N)``."""
    q, keys, values = (part.transpose(1, 2).to(q.dtype) for part in (q, keys, values))
    if persistent is None:
        return q, keys, values, visible
    learned = persistent.to(q.dtype).unsqueeze(1).expand(2, len(q), -1, -1, -1)  # (2, B, H, P, K)
    keys, values = (torch.cat([a, b], 2) for a, b in zip(learned, (keys, values)))
    return q, keys, values, F.pad(visible, (learned.shape[3], 0), value=True)
