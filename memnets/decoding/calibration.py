"""Confidence that means what it says: one temperature for each way of scoring, fitted on lines kept from training."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ctc import log_likelihood
from .loss import IGNORED

LATER = ("calibration.temperatures", "calibration.widest")
"""What files of weights lack that were saved before there was this."""


class Calibration(nn.Module):
    """What a reader knows of itself once it is trained; kept with its weights.

    Attributes:
        temperatures: ``(2,)``, what the scores of attention and of CTC are divided by before they become
            probabilities (Guo et al. 2017, arXiv:1706.04599, section 4.2); 1 where nothing was fitted.
        widest: pixels of the widest line that they were fitted on; 0 where nothing was.
    """

    temperatures: Tensor
    widest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("temperatures", torch.ones(2))
        self.register_buffer("widest", torch.zeros((), dtype=torch.int64))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any) -> None:
        for name, own in self.named_buffers():
            state_dict.setdefault(prefix + name, own)  # weights that were saved before there was this
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def fit(self, batches: Sequence["Scored"], widest: int) -> dict[str, float]:
        """Set the temperature of each part that the batches have scores of to that of the least loss.

        Args:
            batches: of lines that training has not seen.
            widest: pixels of the widest of them.

        Returns:
            ``attention_temperature`` and ``ctc_temperature``, of those there are.
        """
        found = {}
        for n, (name, loss) in enumerate([("attention", attention_loss), ("ctc", ctc_loss)]):
            if batches and (batches[0].logits, batches[0].log_probs)[n] is not None:
                found[f"{name}_temperature"] = best_temperature(functools.partial(loss, batches))
                self.temperatures[n] = found[f"{name}_temperature"]
        self.widest.fill_(widest)
        return found

    @property
    def of_attention(self) -> Tensor:
        """Temperature of the attention decoder."""
        return self.temperatures[0]

    @property
    def of_ctc(self) -> Tensor:
        """Temperature of CTC."""
        return self.temperatures[1]


class Scored(NamedTuple):
    """A batch's scores of its own texts: of attention ``logits (B, T, V)`` with ``targets (B, T)``, of CTC
    ``log_probs (B, C, V)`` with ``columns (B,)``; None for the part that a reader has not."""

    logits: Tensor | None
    log_probs: Tensor | None
    columns: Tensor
    targets: Tensor


def attention_loss(batches: Sequence[Scored], temperature: float) -> float:
    """Nats a symbol at a temperature."""
    total, count = 0.0, 0
    for batch in batches:
        assert batch.logits is not None
        flat, targets = batch.logits.float().flatten(0, 1) / temperature, batch.targets.flatten()
        total += float(F.cross_entropy(flat, targets, ignore_index=IGNORED, reduction="sum"))
        count += int((targets != IGNORED).sum())
    return total / max(count, 1)


def ctc_loss(batches: Sequence[Scored], temperature: float) -> float:
    """Nats a character at a temperature, over the lines that have columns enough."""
    total, count = 0.0, 0
    for batch in batches:
        assert batch.log_probs is not None
        lengths = (batch.targets > 0).sum(1)
        log_probs = torch.log_softmax(batch.log_probs / temperature, dim=2)
        likelihood = log_likelihood(log_probs, batch.columns, batch.targets[:, :-1].clamp(min=0), lengths)
        feasible = likelihood.isfinite()
        total -= float(likelihood[feasible].sum())
        count += int(lengths[feasible].sum())
    return total / max(count, 1)


def best_temperature(loss: Callable[[float], float], low: float = 0.25, high: float = 8.0) -> float:
    """The temperature of the least loss, by golden-section search over its logarithm; 1 where none is better.

    Args:
        loss: of a temperature; of one minimum, as cross entropy is in the inverse temperature.
        low: least temperature.
        high: most.
    """
    golden = (math.sqrt(5) - 1) / 2
    a, b = math.log(low), math.log(high)
    c, d = b - golden * (b - a), a + golden * (b - a)
    at_c, at_d = loss(math.exp(c)), loss(math.exp(d))
    while b - a > 0.01:
        if at_c < at_d:
            b, d, at_d = d, c, at_c
            c = b - golden * (b - a)
            at_c = loss(math.exp(c))
        else:
            a, c, at_c = c, d, at_d
            d = a + golden * (b - a)
            at_d = loss(math.exp(d))
    found = math.exp((a + b) / 2)
    return found if loss(found) < loss(1.0) else 1.0
