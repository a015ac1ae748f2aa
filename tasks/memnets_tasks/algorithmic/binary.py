"""Scoring of tasks whose targets are bits."""

import torch
from torch import Tensor

from memnets_tasks._checks import check_logits
from memnets_tasks.algorithmic._entropy import mean_bit_entropy
from memnets_tasks.base import Batch, Task


class BinaryTask(Task):
    """A task in which every scored output channel is one bit: 1 where its logit is above zero.

    Abstract: a subclass defines ``sample`` and sets the attributes of ``Task``.
    """

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Binary cross entropy in nats, averaged over all scored bits of the batch.

        Graves et al. 2014, section 4: sigmoid outputs trained with the cross-entropy objective. Computed in
        float32 or better, whatever the dtype of ``outputs``. Outputs that are not scored take no part, even
        where they are NaN or infinite.

        Args:
            outputs: ``(B, T, O)``, the network's output, before the sigmoid.
            batch: The batch the output belongs to.

        Returns:
            A scalar.

        Raises:
            ValueError: If ``outputs`` does not have the shape of ``batch.targets``.
        """
        return mean_bit_entropy(outputs, batch)

    def errors(self, predictions: Tensor, batch: Batch) -> Tensor:
        """Count the wrong bits of each sequence.

        A logit of NaN is wrong whatever its target.

        Args:
            predictions: ``(B, T, O)``, the network's output, before the sigmoid.
            batch: The batch the output belongs to.

        Returns:
            ``(B,)``, float32, in bits.

        Raises:
            ValueError: If ``predictions`` does not have the shape of ``batch.targets``.
        """
        check_logits(predictions, batch)
        right = torch.where(batch.targets > 0.5, predictions > 0, predictions <= 0)  # (B, T, O)
        wrong = ~right & batch.mask.unsqueeze(-1)
        return wrong.sum(dim=(1, 2)).float()

    def scores(self, predictions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Score a batch.

        Args:
            predictions: ``(B, T, O)``, the network's output, before the sigmoid.
            batch: The batch the output belongs to.

        Returns:
            Scalars: ``bit_errors``, the wrong bits per sequence, averaged over sequences; and
            ``sequence_accuracy``, the share of sequences without a wrong bit, from 0 to 1.

        Raises:
            ValueError: If ``predictions`` does not have the shape of ``batch.targets``.
        """
        errors = self.errors(predictions, batch)
        return {"bit_errors": errors.mean(), "sequence_accuracy": (errors == 0).float().mean()}
