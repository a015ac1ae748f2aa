"""A penalty on soft read weightings: heads that wait should wait at one place, or they drift in longer sequences."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..base.model import as_parameters
from ..base.module import SequenceModule
from ..base.seeding import generator
from ..base.state import named_tensors
from ..base.task import Batch, StreamTask, Task

FIELD = "read_weights"
"""The field of a state that holds a weighting of slots for each read head, ``(B, R, N)``."""


class Focus:
    """How soft the weightings of read heads are at steps drawn at random, as a term of the loss.

    While a network listens nothing asks where its read head is, as long as it comes to the right slot at last. A
    weighting spread over several slots and gathered when the answer begins makes no mistake at the lengths of training;
    but from step to step its middle drifts, over many steps to another slot. So each sequence of a batch is read once
    more, up to a step of its own, and the weightings there are asked to be of single slots: what fails at greater
    lengths is unlearnt without a sequence longer than those of training. A write head may be soft: over all slots it
    writes nothing.

    Args:
        weight: of the penalty, beside the task's loss.
    """

    def __init__(self, weight: float):
        self.weight = weight
        self.share = 1.0
        """What of the weight counts now, within 0..1. :class:`memnets.training.callbacks.StopWhenSolved` lets it grow
        while it anneals what is solved, as the rate falls: at a whole rate it would undo what has just been found."""

    def cut(self, batch: Batch, random: torch.Generator) -> Batch:
        """Each sequence up to a step drawn for it."""
        share = torch.rand(len(batch), generator=random, device=random.device)
        steps = torch.minimum((share * batch.lengths).long() + 1, batch.lengths)
        longest = int(steps.max())
        return Batch(batch.inputs[:, :longest], batch.targets[:, :longest], batch.mask[:, :longest], steps)

    def penalty(self, model: nn.Module, cut: Batch) -> Tensor:
        """A scalar: :func:`softness` of read heads at each sequence's last step, times what of the weight counts."""
        state = model(as_parameters(model, cut.inputs), lengths=cut.lengths)[1]
        soft = torch.stack([softness(weighting).mean() for weighting in read_weightings(state)]).mean()
        return self.share * self.weight * soft


def softness(weighting: Tensor) -> Tensor:
    """What of ``weighting (..., N)`` is shared between slots, ``(...)``: 0 of a single slot's, at most 1.

    It is (sum w)^2 - sum w^2, the chance that two draws from it are of different slots; a head that reads nothing has
    none.
    """
    return weighting.sum(-1).square() - weighting.square().sum(-1)


def read_weightings(state: Any) -> list[Tensor]:
    """The read weightings of a state, ``(B, R, N)`` each."""
    return [tensor for name, tensor in named_tensors(state) if name.rsplit(".")[-1] == FIELD]


def has_read_heads(model: nn.Module) -> bool:
    """Whether a model's state has read weightings."""
    return isinstance(model, SequenceModule) and bool(read_weightings(model.make_state(1)))


def check_focus(weight: float, task: Task) -> None:
    """Raise ValueError unless that is a weight, and heads can be asked to be sharp on this task."""
    if not 0 < weight < math.inf:
        raise ValueError(f"focus is {weight}, but must be a weight such as 0.01; 0 asks for nothing")
    if isinstance(task, StreamTask) or not isinstance(task.sample(1, task.min_length, generator(0, "probe", 0)), Batch):
        raise ValueError(f"focus is {weight}, but {type(task).__name__} does not draw whole sequences: give 0")
