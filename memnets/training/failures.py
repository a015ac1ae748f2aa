"""How many of some thousand sequences fail: a mean of errors below a threshold may hide a few that fail as a whole."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from ..base.checks import check_whole
from ..base.modes import evaluating
from ..base.seeding import generator
from ..base.task import FiniteTask, Task
from .adapters import predict, predict_resized
from .lengths import Table
from .replay import Replay

BATCH = 250
"""Sequences at a time."""


class Failures(NamedTuple):
    """What was counted.

    Attributes:
        failing: sequences whose errors are not below the threshold.
        sequences: how many were looked at.
    """

    failing: int
    sequences: int

    @property
    def rate(self) -> float:
        """The share that fails."""
        return self.failing / self.sequences


@torch.no_grad()
def count_failures(
    model: nn.Module,
    task: Task,
    *,
    sequences: int,
    threshold: float,
    seed: int = 0,
    stream: str = "failures",
    step: int = 0,
    replay: Replay | None = None,
) -> Failures:
    """Count the sequences of the training lengths that fail.

    Args:
        model: a trained module, as :class:`memnets.training.SequenceLearner` takes it.
        task: draws the sequences; one of a data set of fewer is counted whole.
        sequences: how many.
        threshold: errors from which on a sequence fails, in the task's unit; so does one whose errors are NaN.
        seed: of the sequences.
        stream: the same seed, stream and step give the same ones.
        step: of the training.
        replay: is given those that fail.

    Raises:
        ValueError: ``sequences`` is below 1.
    """
    check_whole("sequences", sequences)
    random = generator(seed, stream, step, next(model.parameters()).device)
    if isinstance(task, FiniteTask) and len(task) <= sequences:
        sequences, batches = len(task), (batch.to(random.device) for batch in task.batches(BATCH))
    else:
        counts = [min(BATCH, sequences - start) for start in range(0, sequences, BATCH)]
        batches = (task.sample(n, task.sample_lengths(n, random), random) for n in counts)
    with evaluating(model):
        failing = 0
        for batch in batches:
            fails = ~(task.errors(predict(model, batch), batch) < threshold)
            failing += int(fails.sum())
            if replay is not None:
                replay.add(batch, fails)
    return Failures(failing, sequences)


@torch.no_grad()
def failures_by_length(
    model: nn.Module,
    task: Task,
    lengths: Sequence[int],
    *,
    sequences: int,
    seed: int = 0,
    resize: bool = True,
    **asked: Any,
) -> Table:
    """Count the sequences of each length that fail, with errors not below the task's threshold.

    Args:
        model: a trained module, as :class:`memnets.training.SequenceLearner` takes it.
        task: draws the sequences.
        lengths: in the task's ``length_unit``.
        sequences: how many of each length.
        seed: of the sequences.
        resize: give memories that are ``sized_by_input`` as many slots as there are steps.
        asked: passed to ``task.sample``, such as ``repeats=20`` of repeat copy.

    Returns:
        For each length ``{"failing": how many}``.

    Raises:
        ValueError: ``sequences`` is below 1, or a length is too small.
    """
    check_whole("sequences", sequences)
    run, device = predict_resized if resize else predict, next(model.parameters()).device
    table: Table = {}
    with evaluating(model):
        for length in lengths:
            random = generator(seed, "failures", length, device)
            failing = 0
            for start in range(0, sequences, BATCH):
                batch = task.sample(min(BATCH, sequences - start), length, random, **asked)
                failing += int((~(task.errors(run(model, batch), batch) < task.threshold)).sum())
            table[length] = {"failing": float(failing)}
    return table
