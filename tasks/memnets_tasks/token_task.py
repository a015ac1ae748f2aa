"""Scoring of tasks whose answer at each scored step is one of some classes."""

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets_tasks.base import Batch
from memnets_tasks.scored_steps import StepTask


class TokenTask(StepTask):
    """A task in which the output of each scored step names one of ``output_size`` classes by its largest logit.

    Abstract: a subclass defines ``sample``, whose targets are classes ``(B, T)``, int64, and sets the attributes of
    ``Task``.
    """

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross entropy in nats, averaged over all scored steps of the batch.

        Computed in float32 or better. Outputs that are not scored take no part, even where they are NaN or infinite.

        Args:
            outputs: ``(B, T, O)``, the network's output, before the softmax.
            batch: The batch the output belongs to.

        Returns:
            A scalar.

        Raises:
            ValueError: If ``outputs`` does not have the shape ``(B, T, output_size)``.
        """
        self._check_outputs(outputs, batch)
        logits = outputs[batch.mask]  # (scored steps, O)
        return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), batch.targets[batch.mask])

    def right(self, predictions: Tensor, batch: Batch) -> Tensor:
        """Where the largest logit is that of the target: ``(B, T)``, bool. A step with a NaN is wrong.

        Raises:
            ValueError: If ``predictions`` does not have the shape ``(B, T, output_size)``.
        """
        self._check_outputs(predictions, batch)
        return (predictions.argmax(-1) == batch.targets) & ~predictions.isnan().any(-1)

    def _check_outputs(self, outputs: Tensor, batch: Batch) -> None:
        wanted = (*batch.mask.shape, self.output_size)
        if outputs.shape != wanted:
            raise ValueError(
                f"logits have shape {tuple(outputs.shape)}, but {type(self).__name__} needs {wanted}; give the "
                "network's output at every step, batch first (B, T, O), with O the task's output_size"
            )
