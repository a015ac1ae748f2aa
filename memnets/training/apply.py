"""A model on a task's batch."""

from typing import Any

from torch import Tensor, nn


def apply(model: nn.Module, batch: Any) -> Tensor:
    """Logits (B, T, O) of a model of the contract of :class:`memnets.Recurrent`, in the precision of its parameters."""
    parameter = next(model.parameters(), None)
    inputs = batch.inputs if parameter is None else batch.inputs.to(parameter.dtype)
    return model(inputs, lengths=batch.lengths)[0]
