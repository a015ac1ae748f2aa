"""The optimal estimator of dynamic n-grams: what no network can beat but by luck."""

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least


def optimal_predictions(bits: Tensor, *, order: int = 6) -> Tensor:
    """The probability that the next bit is 1, after each bit of a sequence from an unknown table of n-grams.

    Graves et al. 2014, equation 10: (N1 + 1/2) / (N1 + N0 + 1), where N1 and N0 count the ones and zeros that
    followed the present context, the last order - 1 bits, so far in the sequence. It is the mean of the
    posterior under the prior Beta(1/2, 1/2), from which ``DynamicNGrams`` draws its tables. The counts are taken
    for all contexts and steps at once: time and memory grow with B T 2^(order - 1).

    Args:
        bits: ``(B, T)``, zeros and ones of any dtype.
        order: n, at least 2.

    Returns:
        ``(B, T)``, float32: at t the probability that bit t + 1 is 1, a function of bits 0 to t alone; 1/2 where
        fewer than order - 1 bits have been seen.

    Raises:
        ValueError: If ``order`` is below 2 or ``bits`` has another number of axes.
    """
    check_at_least("order", order, 2)
    if bits.ndim != 2:
        raise ValueError(f"bits has shape {tuple(bits.shape)}; give one row of bits for each sequence, (B, T)")
    context, steps = order - 1, bits.shape[1]
    half = torch.full(bits.shape, 0.5, device=bits.device)  # (B, T)
    if steps < context:
        return half
    places = 2 ** torch.arange(context - 1, -1, -1, device=bits.device)
    contexts = (bits.long().unfold(1, context, 1) * places).sum(-1)  # (B, T - k + 1), of the steps from k - 1 on
    seen = torch.nn.functional.one_hot(contexts, 2**context).float()  # (B, T - k + 1, 2^k)
    ones = seen[:, :-1] * bits[:, context:].float().unsqueeze(-1)  # (B, T - k, 2^k): those a one followed
    here = contexts.unsqueeze(-1)
    times = _before(seen[:, :-1]).gather(2, here).squeeze(-1)  # N1 + N0
    successes = _before(ones).gather(2, here).squeeze(-1)  # N1
    half[:, context - 1 :] = (successes + 0.5) / (times + 1)
    return half


def _before(events: Tensor) -> Tensor:
    """The sum of all earlier events at each step and at the one after the last: ``(B, S, F)`` to ``(B, S + 1, F)``."""
    return torch.nn.functional.pad(events.cumsum(1), (0, 0, 1, 0))
