"""Additive attention, its gate, and coverage: Bahdanau et al. 2015 and Xu et al. 2015."""

import abc
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..base.checks import check_whole
from ..base.modes import check_choice


class Keys(NamedTuple):
    """What is attended to, prepared once for all steps of a batch; N places.

    Attributes:
        features: a, (B, N, D).
        projected: W_a a, (B, N, A).
        mask: (B, N), True at valid places.
    """

    features: Tensor
    projected: Tensor
    mask: Tensor


class Attention(nn.Module, abc.ABC):
    """Chooses among N places; what is carried from the steps before is handed in, and the new weighting comes out.

    Args:
        query_size: of h, the decoder's state.
        feature_size: D.
        attention_size: A, units of the score.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, query_size: int, feature_size: int, attention_size: int):
        super().__init__()
        for name, value in (
            ("query_size", query_size),
            ("feature_size", feature_size),
            ("attention_size", attention_size),
        ):
            check_whole(name, value)
        self.of_features = nn.Linear(feature_size, attention_size)
        self.of_query = nn.Linear(query_size, attention_size, bias=False)
        self.score = nn.Linear(attention_size, 1, bias=False)

    def prepare(self, features: Tensor, mask: Tensor | None = None) -> Keys:
        """Features (B, N, D) and the mask (B, N) of valid places, all where None, ready for every step."""
        if mask is None:
            mask = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
        return Keys(features, self.of_features(features), mask)

    def scores(self, query: Tensor, keys: Keys) -> Tensor:
        """``v tanh(W_a a + W_d h)`` (B, N), minus infinity at padding (Xu et al. 2015, section 3.1.2)."""
        hidden = torch.tanh(keys.projected + self.of_query(query).unsqueeze(1))  # (B, N, A)
        return self.score(hidden).squeeze(-1).masked_fill(~keys.mask, -torch.inf)

    @abc.abstractmethod
    def initial_weights(self, keys: Keys) -> Tensor:
        """The weighting (B, N) before the first step."""

    def carry(self, carried: Tensor, weights: Tensor) -> Tensor:
        """What the next step is handed, (B, N), after one with this weighting: here the weighting itself."""
        return weights

    @abc.abstractmethod
    def forward(self, query: Tensor, keys: Keys, carried: Tensor) -> Tensor:
        """One step: query h (B, H) and what is carried (B, N) to the new weighting (B, N), which sums to 1."""


class AdditiveAttention(Attention):
    """Content alone: a softmax of additive scores; the weighting before has no part in it.

    Args:
        query_size: of h, the decoder's state.
        feature_size: D.
        attention_size: A, units of the score.

    Raises:
        ValueError: a size below 1.

    Source:
        Bahdanau et al. 2015, arXiv:1409.0473, section 3.1; Xu et al. 2015, arXiv:1502.03044, equations 4 to 6.
    """

    def initial_weights(self, keys: Keys) -> Tensor:
        """Uniform over the valid places."""
        weights = keys.mask.to(keys.features.dtype)
        return weights / weights.sum(1, keepdim=True)

    def forward(self, query: Tensor, keys: Keys, carried: Tensor) -> Tensor:
        """One step: query (B, H) to the weighting (B, N)."""
        return torch.softmax(self.scores(query, keys), dim=1)


class CoverageAttention(AdditiveAttention):
    """Content, and how much each place has been looked at so far: what was named need not be named again.

    The score is ``v tanh(W_a a_i + W_d h + w_c c_i)``, where ``c = sum_t alpha_t`` sums the weightings of all steps
    before, and begins even, with 1 in all.

    Args:
        query_size: of h, the decoder's state.
        feature_size: D.
        attention_size: A, units of the score.

    Raises:
        ValueError: a size below 1.

    Source:
        See et al. 2017, arXiv:1704.04368, equations 10 and 11; Tu et al. 2016, arXiv:1601.04811.
    """

    def __init__(self, query_size: int, feature_size: int, attention_size: int):
        super().__init__(query_size, feature_size, attention_size)
        self.of_coverage = nn.Linear(1, attention_size, bias=False)

    def carry(self, carried: Tensor, weights: Tensor) -> Tensor:
        """c, (B, N), with this weighting."""
        return carried + weights

    def forward(self, query: Tensor, keys: Keys, carried: Tensor) -> Tensor:
        """One step: query (B, H) and c (B, N) to the weighting (B, N)."""
        looked_at = self.of_coverage(carried.unsqueeze(-1))  # (B, N, A)
        return super().forward(query, keys._replace(projected=keys.projected + looked_at), carried)


def context(weights: Tensor, features: Tensor) -> Tensor:
    """z, the weighted sum of features (B, N, D) under weights (B, N): (B, D)."""
    return torch.bmm(weights.unsqueeze(1), features).squeeze(1)


class ContextGate(nn.Module):
    """``beta = sigmoid(f(h))``, one number a sequence: how much of the image the next word needs.

    Args:
        query_size: of h, the decoder's state.

    Source:
        Xu et al. 2015, section 4.2.1.
    """

    def __init__(self, query_size: int):
        super().__init__()
        self.project = nn.Linear(query_size, 1)
        nn.init.constant_(self.project.bias, 2.0)  # open at first: what is not seen is not learnt from

    def forward(self, query: Tensor) -> Tensor:
        """h (B, H) to beta (B, 1)."""
        return torch.sigmoid(self.project(query))


def coverage(weights: Tensor, mask: Tensor | None = None, *, reduction: str) -> Tensor:
    """How far each place is from being looked at once in all: ``(1 - sum_t alpha_ti)^2`` ("doubly stochastic").

    Args:
        weights: alpha, ``(B, T, N)``, zero at steps past a sequence's end.
        mask: ``(B, N)``, True at valid places; None where all are.
        reduction: "sum" over places and mean over the batch, the paper's; "mean" over places and batch, as in many
            public codes; "none" for each place.

    Returns:
        A scalar, or ``(B, N)`` with "none".

    Raises:
        ValueError: an unknown reduction.

    Source:
        Xu et al. 2015, equation 14.
    """
    check_choice("reduction", reduction, ("none", "sum", "mean"))
    missing = (1 - weights.sum(1)).square()  # (B, N)
    if mask is not None:
        missing = missing * mask
    if reduction == "none":
        return missing
    if reduction == "sum":
        return missing.sum(1).mean()
    return missing.mean() if mask is None else missing.sum() / mask.sum()
