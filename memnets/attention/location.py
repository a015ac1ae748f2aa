"""Location addressing over the columns of a line: the Neural Turing Machine's heads as an attention."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import ops
from ..base.checks import check_whole
from ..base.modes import check_choice, check_share
from .additive import Attention, Keys


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
    """Reads along a line: from where it was, by a learnt distribution of shifts, corrected by what is found there.

    With ``combine="product"`` a step shifts the last weighting w by ``-shift_back`` to ``+shift_ahead`` places
    (Graves et al. 2014, equation 8, the line having two ends and no circle), multiplies it by how well each place
    answers the query, and sharpens it (equation 9)::

        w~ = shift(w, s)        w'(i) ~ w~(i) exp(v tanh(W_a a_i + W_d h))        w ~ w' ** gamma

    Shift and content are prior and evidence of where the next character is. The evidence acts at each step and can
    only choose among places that the shift reaches, so that errors of the place do not add up along the line.

    With ``combine="interpolate"`` the order is the Neural Turing Machine's: content weighting over the places
    within reach, interpolation with the last weighting (equation 7), shift, sharpening. There nothing corrects the
    place after the shift: measured, it drifts on lines longer than those trained on.

    Reading starts at place 0. Nothing depends on the absolute place or on the number of steps.

    Args:
        query_size: of h, the decoder's state.
        feature_size: D.
        attention_size: A, units of the score.
        shift_back: furthest shift back, places.
        shift_ahead: furthest shift ahead, places; as wide as the widest character and the space after it.
        combine: "product" or "interpolate".
        jitter: while training, the probability at each step that the last weighting is moved by one place, so that
            a place that is a little off is learnt to be mended.

    Raises:
        ValueError: a size below 1, a negative shift, an unknown ``combine``, or a ``jitter`` outside 0..1.

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
        combine: str = "product",
        jitter: float = 0.0,
    ):
        super().__init__(query_size, feature_size, attention_size)
        check_whole("shift_back", shift_back, 0)
        check_whole("shift_ahead", shift_ahead)
        check_choice("combine", combine, ("product", "interpolate"))
        check_share("jitter", jitter)
        self.shift_back = shift_back
        self.shifts = shift_back + 1 + shift_ahead
        self.jitter = jitter
        self.of_shift = nn.Linear(query_size, self.shifts)
        self.of_sharpening = nn.Linear(query_size, 1)
        self.of_gate = nn.Linear(query_size, 1) if combine == "interpolate" else None
        if self.of_gate is not None:
            nn.init.constant_(self.of_gate.bias, -2.0)  # by location at first: content finds its part later

    def initial_weights(self, keys: Keys) -> Tensor:
        """All on place 0."""
        weights = torch.zeros_like(keys.mask, dtype=keys.features.dtype)
        weights[:, 0] = 1
        return weights

    def forward(self, query: Tensor, keys: Keys, carried: Tensor) -> Tensor:
        """One step: query (B, H) and the last weighting (B, N) to the new one."""
        prev_weights, counts = carried, keys.mask.sum(1)
        shift = torch.softmax(self.of_shift(query), dim=1)  # s, (B, S)
        sharpening = 1 + F.softplus(self.of_sharpening(query))  # gamma, (B, 1)
        if self.training and self.jitter:
            prev_weights = self._displace(prev_weights, counts)
        scores = self.scores(query, keys)
        if self.of_gate is None:
            prior = shift_along(prev_weights, shift, counts, self.shift_back)
            weights = _product(prior, scores)
        else:
            even = torch.full_like(shift, 1 / self.shifts)
            near = _product(shift_along(prev_weights, even, counts, self.shift_back), scores)
            gate = torch.sigmoid(self.of_gate(query))  # g, (B, 1)
            weights = ops.interpolate(near.unsqueeze(1), prev_weights.unsqueeze(1), gate).squeeze(1)
            weights = shift_along(weights, shift, counts, self.shift_back)
        weights = ops.sharpen(weights.unsqueeze(1), sharpening).squeeze(1)
        return weights * keys.mask

    def _displace(self, weights: Tensor, counts: Tensor) -> Tensor:
        """Some of the weightings (B, N), moved by one place, back or ahead."""
        draw = torch.rand(len(weights), 1, device=weights.device)
        back, ahead = draw < self.jitter / 2, draw > 1 - self.jitter / 2
        moves = torch.cat([back, ~(back | ahead), ahead], dim=1).to(weights.dtype)
        return shift_along(weights, moves, counts, backward=1)


def _product(prior: Tensor, scores: Tensor) -> Tensor:
    """A prior (B, N) times ``exp(scores)``, normalised: a softmax over the places that the prior reaches."""
    return torch.softmax(scores + (prior + ops.location.EPSILON).log(), dim=1)
