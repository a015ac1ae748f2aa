"""Cross entropy of bits, shared by the tasks whose outputs are bits or predictions of bits."""

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets_tasks._checks import check_logits
from memnets_tasks.base import Batch


def bit_entropies(logits: Tensor, batch: Batch) -> Tensor:
    """Cross entropy in nats of every scored bit, zero where nothing is scored.

    Args:
        logits: ``(B, T, O)``, the network's output, before the sigmoid.
        batch: The batch the output belongs to.

    Returns:
        ``(B, T, O)``, float32 or better, whatever the dtype of ``logits``.

    Raises:
        ValueError: If ``logits`` does not have the shape of ``batch.targets``.
    """
    check_logits(logits, batch)
    scored = batch.mask.unsqueeze(-1)  # (B, T, 1)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    # Masked before the entropy too: a NaN there would reach the gradient through 0 * NaN.
    logits = torch.where(scored, logits, 0.0)
    entropy = F.binary_cross_entropy_with_logits(logits, batch.targets.to(logits.dtype), reduction="none")
    return entropy * scored


def mean_bit_entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Cross entropy in nats, averaged over all scored bits of a batch; takes and raises what ``bit_entropies`` does."""
    bits = batch.mask.sum() * batch.targets.shape[-1]
    return bit_entropies(logits, batch).sum() / bits.clamp_min(1)
