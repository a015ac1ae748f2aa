"""Location addressing: Graves et al. 2014, section 3.3.2, equations 7 to 9."""

import torch
from torch import Tensor

EPSILON = 1e-16
"""Added to weights before their logarithm, so that a weight of exactly 0 stays finite."""


def interpolate(content_weights: Tensor, prev_weights: Tensor, interpolation_gate: Tensor) -> Tensor:
    """Blend of the content weighting and the previous weighting (equation 7).

    Args:
        content_weights: w^c, ``(B, H, N)``.
        prev_weights: w_{t-1}, ``(B, H, N)``.
        interpolation_gate: g within [0, 1], ``(B, H)``; 1 takes the content weighting alone.

    Returns:
        w^g, ``(B, H, N)``.
    """
    return torch.lerp(prev_weights, content_weights, interpolation_gate.unsqueeze(-1))


def shift_weights(weights: Tensor, shift: Tensor) -> Tensor:
    """Circular convolution with the shift distribution (equation 8).

    ``w~(i) = sum_j w(j) s(i - j)``, with i - j taken modulo N. Index ``S // 2`` of ``shift`` is "stay"; the
    index after it moves the weighting one slot forward. S may exceed N: shifts then wrap around.

    Args:
        weights: w^g, ``(B, H, N)``.
        shift: s, ``(B, H, S)``, S odd; a distribution over shifts.

    Returns:
        w~, ``(B, H, N)``.

    Raises:
        ValueError: S is even, so that no index is the middle.
    """
    slots, shifts = weights.shape[-1], shift.shape[-1]
    if shifts % 2 == 0:
        raise ValueError(
            f"shift has {shifts} entries a head, but needs an odd number (2 * range + 1), "
            "so that the middle one is 'stay'"
        )
    reach = shifts // 2
    if reach == 0:
        return weights * shift
    if reach <= slots:
        padded = torch.cat([weights[..., slots - reach :], weights, weights[..., :reach]], dim=-1)
    else:
        source = torch.arange(-reach, slots + reach, device=weights.device) % slots
        padded = weights[..., source]  # (B, H, N + S - 1), entry i is w(i - reach mod N)
    windows = padded.unfold(-1, shifts, 1)  # (B, H, N, S), [i, n] is w(i + n - reach)
    return (windows * shift.flip(-1).unsqueeze(-2)).sum(-1)


def sharpen(weights: Tensor, sharpening: Tensor) -> Tensor:
    """Weights to the power gamma, normalised (equation 9), computed as a softmax of ``gamma * log(w)``.

    A plain power underflows to 0/0 for flat weights and a large gamma; the logarithm does not. Half precision, in which
    the 1e-16 that is added would be 0, is computed in float32.

    Args:
        weights: w~ >= 0, ``(B, H, N)``.
        sharpening: gamma >= 1, ``(B, H)``.

    Returns:
        w, ``(B, H, N)``; each head's weights sum to 1.
    """
    if weights.dtype == torch.float16:
        return sharpen(weights.float(), sharpening.float()).half()
    return torch.softmax(sharpening.unsqueeze(-1) * (weights + EPSILON).log(), dim=-1)
