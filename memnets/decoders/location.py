"""Location addressing over the columns of a line: the Neural Turing Machine's heads as an attention."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import ops
from ..checks import check_whole
from .attention import Attention, Keys


def shift_along(weights: Tensor, shift: Tensor, counts: Tensor, backward: int) -> Tensor:
    """Convolve weightings with shift distributions along a line that has two ends.

    As :func:`memnets.ops.shift_weights`, which is circular, but what would leave the line at either end gathers at
    its first or last valid place, so that nothing is lost and nothing comes in again at the other end.

    Args:
        weights: ``(B, N)``, zero at and after ``counts``.
        shift: ``(B, S)``, the probabilities of moving by ``-backward, ..., S - 1 - backward`` places.
        counts: ``(B,)``, valid places, at least 1.
        backward: how many places back the first shift is, within 0..S-1.

    Returns:
        ``(B, N)``, with the sum of ``weights``.
    """
    places, forward = weights.shape[1], shift.shape[1] - 1 - backward
    padded = F.pad(weights, (shift.shape[1] - 1, shift.shape[1] - 1))
    windows = padded.unfold(1, shift.shape[1], 1)  # (B, N + S - 1, S), the first place is -backward
    moved = torch.bmm(windows, shift.flip(1).unsqueeze(2)).squeeze(2)
    place = torch.arange(-backward, places + forward, device=weights.device)
    target = torch.minimum(place.clamp(min=0), counts.unsqueeze(1) - 1)  # (B, N + S - 1)
    return torch.zeros_like(weights).scatter_add(1, target, moved)


class LocationAttention(Attention):
    """Reads along a line: from where it was, by a learnt distribution of shifts, corrected by what is near.

    Each step does, with all parameters emitted from the decoder's state:

    1. content weighting: a softmax of additive scores over the places that a shift can reach;
    2. interpolation with the last weighting (Graves et al. 2014, equation 7);
    3. shift by ``-shift_back`` to ``+shift_ahead`` places (equation 8), the line having two ends: no circle;
    4. sharpening (equation 9).

    Reading starts at place 0. Nothing depends on the absolute place or on the number of steps, and content is
    compared near the last weighting alone: what was learnt on short lines holds on long ones.

    Args:
        query_size: of h, the decoder's state.
        feature_size: D.
        attention_size: A, units of the score.
        shift_back: furthest shift back, places.
        shift_ahead: furthest shift ahead, places; as wide as the widest character and the space after it.

    Raises:
        ValueError: a size below 1, or a negative shift.

    Source:
        Graves et al. 2014, arXiv:1410.5401, section 3.3.2; the scores of Bahdanau et al. 2015, arXiv:1409.0473.
    """

    def __init__(
        self,
        query_size: int,
        feature_size: int,
        attention_size: int,
        *,
        shift_back: int = 1,
        shift_ahead: int = 6,
    ):
        super().__init__(query_size, feature_size, attention_size)
        check_whole("shift_back", shift_back, 0)
        check_whole("shift_ahead", shift_ahead)
        self.shift_back = shift_back
        self.shifts = shift_back + 1 + shift_ahead
        self.of_shift = nn.Linear(query_size, self.shifts)
        self.of_gate = nn.Linear(query_size, 1)
        self.of_sharpening = nn.Linear(query_size, 1)
        nn.init.constant_(self.of_gate.bias, -2.0)  # by location at first: content finds its part later

    def initial_weights(self, keys: Keys) -> Tensor:
        """All on place 0."""
        weights = torch.zeros_like(keys.mask, dtype=keys.features.dtype)
        weights[:, 0] = 1
        return weights

    def near_weights(self, query: Tensor, keys: Keys, prev_weights: Tensor) -> Tensor:
        """Softmax (B, N) of the scores over the places within reach of the last weighting."""
        even = prev_weights.new_full((len(prev_weights), self.shifts), 1 / self.shifts)
        reach = shift_along(prev_weights, even, keys.mask.sum(1), self.shift_back)
        return torch.softmax(self.scores(query, keys) + (reach + ops.location.EPSILON).log(), dim=1)

    def forward(self, query: Tensor, keys: Keys, prev_weights: Tensor) -> Tensor:
        """One step: query (B, H) and the last weighting (B, N) to the new one."""
        gate = torch.sigmoid(self.of_gate(query))  # g, (B, 1)
        shift = torch.softmax(self.of_shift(query), dim=1)  # s, (B, S)
        sharpening = 1 + F.softplus(self.of_sharpening(query))  # gamma, (B, 1)
        near = self.near_weights(query, keys, prev_weights)
        weights = ops.interpolate(near.unsqueeze(1), prev_weights.unsqueeze(1), gate).squeeze(1)
        weights = shift_along(weights, shift, keys.mask.sum(1), self.shift_back)
        weights = ops.sharpen(weights.unsqueeze(1), sharpening).squeeze(1)
        return weights * keys.mask
