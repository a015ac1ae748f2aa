"""A large memory of learned values, of which each step looks up a few by keys that are pairs of half keys."""

import torch
from torch import Tensor, nn

from ..base.autocast import without_autocast
from ..base.checks import check_whole
from ..base.records import Record, RecordedSequence
from .gated_output import NORM_EPSILON


class ProductKeyMemory(nn.Module, RecordedSequence):
    """N^2 values, each with a key that joins one of N half keys with another of N; a head takes the best of them.

    A query has two halves. The k best half keys of each are found by comparing with all 2 N; among the k^2 pairs of
    these are the k best keys (section 3.2), whose values are summed by the softmax of their scores, over all heads. So
    a step reads k of N^2 values at the cost of some 2 N + k^2 comparisons a head.

    Args:
        hidden_size: D.
        keys: N, half keys of each kind.
        heads: H, queries of a step, each with half keys of its own; the values are theirs together.
        neighbours: k, values that a head reads.
        key_width: numbers of a whole key, even; D or D + 1 if None.

    Raises:
        ValueError: a size below 1, more neighbours than half keys, or an odd ``key_width``.

    Source:
        @inproceedings{lample2019large, title={Large Memory Layers with Product Keys}, author={Lample, Guillaume and
        Sablayrolles, Alexandre and Ranzato, Marc'Aurelio and Denoyer, Ludovic and Jegou, Herve}, booktitle={NeurIPS},
        year={2019}}, arXiv:1907.05242. Queries are brought to one size by an RMS norm each, where the paper has a batch
        norm, by which sequences of a batch would see one another.
    """

    def __init__(
        self, hidden_size: int, *, keys: int = 64, heads: int = 4, neighbours: int = 8, key_width: int | None = None
    ):
        super().__init__()
        key_width = hidden_size + hidden_size % 2 if key_width is None else key_width
        for name, value in {
            "hidden_size": hidden_size,
            "keys": keys,
            "heads": heads,
            "neighbours": neighbours,
            "key_width": key_width,
        }.items():
            check_whole(name, value)
        if neighbours > keys:
            raise ValueError(f"neighbours is {neighbours}, but there are keys={keys} half keys: give {keys} at most")
        if key_width % 2:
            raise ValueError(f"key_width is {key_width}, but must be even: a key has two halves")
        self.heads, self.neighbours = heads, neighbours
        self.query = nn.Linear(hidden_size, heads * key_width)
        self.norm = nn.RMSNorm(key_width, eps=NORM_EPSILON)
        self.keys = nn.Parameter(torch.randn(heads, 2, keys, key_width // 2) * key_width**-0.5)
        self.values = nn.Parameter(torch.randn(keys * keys, hidden_size) * hidden_size**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """``x (..., D)`` to what is read, ``(..., D)``."""
        shares, slots = self.look_up(x)
        if self.recorder is not None:
            read = shares.new_zeros(*shares.shape[:-1], len(self.values)).scatter(-1, slots, shares)
            self.recorder({"read": Record(read, "weighting")})
        return (shares.unsqueeze(-1) * self.values[slots]).sum((-3, -2))

    def look_up(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """How much each head takes of which values: ``(..., H, k)`` shares and places within 0..N^2 - 1."""
        with without_autocast(x.device.type):  # a rounded score would be another place
            q = self.norm(self.query(x.to(self.keys.dtype)).unflatten(-1, (self.heads, -1)))
            halves = q.unflatten(-1, (2, -1)).unsqueeze(-2)  # (..., H, 2, 1, K / 2)
            scores = (halves @ self.keys.transpose(-1, -2)).squeeze(-2)  # (..., H, 2, N)
            best, places = scores.topk(self.neighbours, dim=-1)  # (..., H, 2, k)
            pairs = best[..., 0, :].unsqueeze(-1) + best[..., 1, :].unsqueeze(-2)  # (..., H, k, k)
            top, pair = pairs.flatten(-2).topk(self.neighbours, dim=-1)  # (..., H, k)
            rows = places[..., 0, :].gather(-1, pair // self.neighbours)
            columns = places[..., 1, :].gather(-1, pair % self.neighbours)
            return top.softmax(-1), rows * self.keys.shape[2] + columns
