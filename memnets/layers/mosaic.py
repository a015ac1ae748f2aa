"""Memory Mosaics: associative memories whose values look one step ahead, so that one layer finds what came next."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.records import Record
from ..base.state_types import known_state
from ..ops.precision import unit_length
from .attention import AttentionState, extend
from .base import Layer


@known_state
class MosaicState(NamedTuple):
    """What the memories hold, with zeros past a sequence's last step; of a model of L layers with L after B.

    Attributes:
        keys: ``(B, N, H, K)``, of length 1.
        values: ``(B, N, H, K)``, of each step by itself, before the next is looked at.
        steps: how many there are of each sequence, ``(B,)``, int64.
        average: the leaky sum of the features of which keys are made, ``(B, H, K)``.
    """

    keys: Tensor
    values: Tensor
    steps: Tensor
    average: Tensor


class MosaicLayer(Layer):
    """Associative memories of pairs of a key and a value, one a head, without positions and without queries.

    The key of step t sums the past, ``k_t = unit(W x_t + lambda k'_{t-1})`` with k' the sum before it is scaled; its
    value looks one step ahead, ``v_t = unit(V x_t + mu V x_{t+1})``. A step recalls from all pairs before it,
    ``sum_{i<t} softmax(beta k_t . k_i) v_i``: where the present looks like an earlier step, that is what came after it.
    lambda, mu and beta are learned, one a head. The paper's persistent memories are a block's feed-forward network.

    Args:
        hidden_size: D.
        heads: H.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        @inproceedings{zhang2025memory, title={Memory Mosaics}, author={Zhang, Jianyu and Nolte, Niklas and Sadhukhan,
        Ranajoy and Chen, Beidi and Bottou, Leon}, booktitle={ICLR}, year={2025}}, arXiv:2405.06394.
    """

    growing = True

    def __init__(self, hidden_size: int, heads: int = 4):
        super().__init__(hidden_size, heads)
        self.project = nn.Linear(hidden_size, 2 * hidden_size, bias=False)
        self.mix = nn.Linear(hidden_size, hidden_size, bias=False)
        self.leak = nn.Parameter(torch.zeros(heads))  # lambda is its sigmoid
        self.ahead = nn.Parameter(torch.ones(heads))  # mu
        self.log_beta = nn.Parameter(torch.full((heads,), self.width**0.5).log())

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> MosaicState:
        """Empty memories."""
        empty = self.zeros(batch_size, 0, self.heads, self.width, device=device, dtype=dtype)
        steps = self.zeros(batch_size, device=device, dtype=torch.int64)
        average = self.zeros(batch_size, self.heads, self.width, device=device, dtype=dtype)
        return MosaicState(empty, empty.clone(), steps, average)

    def run(self, x: Tensor, state: MosaicState, lengths: Tensor | None) -> tuple[Tensor, MosaicState]:
        """The layer over ``x (B, T, D)``."""
        shares, values, sums, cache = self._recalled(x, state, lengths)
        y = self.mix((shares @ values).transpose(1, 2).flatten(2))
        return y, MosaicState(*cache, self._last(sums, state.average, lengths))

    def record(self, x: Tensor, state: MosaicState) -> dict[str, Record]:
        """How much of which earlier step's value each step recalls, and the keys of the steps."""
        shares, _, sums, _ = self._recalled(x, state, None)
        return {
            "recall": Record(shares.transpose(1, 2), "weighting"),
            "key": Record(unit_length(sums), "vector"),
        }

    def _recalled(
        self, x: Tensor, state: MosaicState, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, AttentionState]:
        """Shares ``(B, H, T, N)`` of values ``(B, H, N, K)``, the sums of features ``(B, T, H, K)``, and the pairs."""
        features, raw = self.project(x).to(state.average.dtype).unflatten(-1, (2, self.heads, self.width)).unbind(2)
        sums = self._leaky(features, state.average)  # (B, T, H, K)
        cache = extend(AttentionState(state.keys, state.values, state.steps), unit_length(sums), raw, lengths)
        following = F.pad(cache.values[:, 1:], (0, 0, 0, 0, 0, 1))
        values = unit_length(cache.values + self.ahead.view(1, 1, -1, 1) * following)  # (B, N, H, K)
        keys, values, asked = (part.transpose(1, 2) for part in (cache.keys, values, unit_length(sums)))  # (B, H, ., K)
        scores = self.log_beta.exp().view(1, -1, 1, 1) * (asked @ keys.transpose(-1, -2))  # (B, H, T, N)
        places = state.steps.unsqueeze(1) + torch.arange(x.shape[1], device=x.device)  # (B, T)
        before = torch.arange(keys.shape[2], device=x.device) < places.unsqueeze(-1)  # (B, T, N)
        before = before.unsqueeze(1)
        shares = (
            scores.masked_fill(~before, torch.finfo(scores.dtype).min).softmax(-1) * before
        )  # the first step recalls nothing
        return shares, values, sums, cache

    def _leaky(self, features: Tensor, average: Tensor) -> Tensor:
        """``s_t = f_t + lambda s_{t-1}`` from ``average`` on, ``(B, T, H, K)``."""
        steps = torch.arange(features.shape[1], device=features.device, dtype=features.dtype)
        log_leak = F.logsigmoid(self.leak).to(features.dtype).view(-1, 1, 1)  # (H, 1, 1)
        ages = steps.unsqueeze(1) - steps  # (T, T)
        decay = torch.where(ages >= 0, (log_leak * ages.clamp(min=0)).exp(), 0.0)  # (H, T, T)
        first = (log_leak.squeeze(-1) * (steps + 1)).exp()  # (H, T)
        sums = torch.einsum("hts,bshk->bthk", decay, features)
        return sums + torch.einsum("ht,bhk->bthk", first, average)

    def _last(self, sums: Tensor, average: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            return sums[:, -1]
        every = torch.cat([average.unsqueeze(1), sums], 1)  # (B, 1 + T, H, K)
        return every.take_along_dim(lengths.view(-1, 1, 1, 1), dim=1).squeeze(1)
