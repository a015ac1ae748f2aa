"""Length generalisation: errors on sequences of given lengths."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..base.checks import check_whole
from ..base.modes import evaluating
from ..base.seeding import generator
from ..base.task import FiniteTask, Task
from .adapters import corpus_scores

Table = dict[int, dict[str, float]]


def drawable_lengths(task: Task) -> list[int]:
    """``task.evaluation_lengths``, but for those that it leaves out once it finds that no image of them can be read.

    Raises:
        ValueError: a length cannot be drawn for another reason, or none is left.
    """
    random = generator(0, "probe", 1)
    for length in task.evaluation_lengths:
        try:
            task.sample(1, length, random)
        except ValueError:
            if not task.evaluation_lengths or length in task.evaluation_lengths:
                raise
    return list(task.evaluation_lengths)


@torch.no_grad()
def evaluate_lengths(
    model: nn.Module,
    task: Task,
    lengths: Sequence[int],
    *,
    sequences: int = 100,
    seed: int = 0,
    batch_size: int = 100,
    resize: bool = True,
    **asked: Any,
) -> Table:
    """Errors on fresh sequences of each length.

    Args:
        model: a trained module, as :class:`SequenceLearner` takes it.
        task: the task.
        lengths: in the task's ``length_unit``.
        sequences: how many of each length.
        seed: of the sequences; the same seed gives the same ones.
        batch_size: sequences at a time.
        resize: give stacks, tapes and whatever else is ``sized_by_input`` as many slots as there are steps.
        asked: passed to ``task.sample``, such as ``repeats=20`` of repeat copy.

    Returns:
        For each length the task's scores, averaged over the sequences: for binary tasks ``bit_errors`` (wrong bits
        per sequence) and ``sequence_accuracy`` (share without a wrong bit). The same ones at each length, NaN where
        the task gives none, such as the place of attention where nothing was read.

    Raises:
        ValueError: no length, or a number below 1.
    """
    if not lengths:
        raise ValueError("lengths is empty, but needs at least one length")
    for name, value in (("sequences", sequences), ("batch_size", batch_size), ("a length", min(lengths))):
        if value < 1:
            raise ValueError(f"{name} is {value}, but must be at least 1")
    device = next(model.parameters()).device
    table: Table = {}
    with evaluating(model):
        for length in lengths:
            random = generator(seed, "evaluate", length, device)
            counts = [min(batch_size, sequences - start) for start in range(0, sequences, batch_size)]
            batches = (task.sample(n, length, random, **asked) for n in counts)
            table[length] = corpus_scores(model, task, batches, resize=resize)
    names = dict.fromkeys(name for row in table.values() for name in row)
    return {length: {name: row.get(name, math.nan) for name in names} for length, row in table.items()}


@torch.no_grad()
def evaluate(
    model: nn.Module, task: Task, *, sequences: int = 100, seed: int = 0, batch_size: int = 100
) -> dict[str, float]:
    """A task's scores over fresh sequences of its training lengths.

    A task of files that has no more items than that, such as a small test set, is scored on each of them once.

    Args:
        model: a trained module, as :class:`SequenceLearner` takes it.
        task: the task, such as one of ``task.splits().unseen``.
        sequences: how many.
        seed: of the sequences; the same seed gives the same ones.
        batch_size: sequences at a time.

    Raises:
        ValueError: a number below 1.
    """
    for name, value in (("sequences", sequences), ("batch_size", batch_size)):
        check_whole(name, value)
    device = next(model.parameters()).device
    with evaluating(model):
        if isinstance(task, FiniteTask) and len(task) <= sequences:
            return corpus_scores(model, task, (batch.to(device) for batch in task.batches(batch_size)))
        random = generator(seed, "evaluate", 0, device)
        counts = [min(batch_size, sequences - start) for start in range(0, sequences, batch_size)]
        return corpus_scores(model, task, (task.sample(n, task.sample_lengths(n, random), random) for n in counts))
