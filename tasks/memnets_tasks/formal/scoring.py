"""The score of Deletang et al. 2022: accuracy on strings longer than any of training."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch

from memnets_tasks._checks import check_at_least
from memnets_tasks.base import Task
from memnets_tasks.seeding import generator

PAPER_LENGTHS = tuple(range(41, 501))
"""The lengths of the paper's score."""


class LengthScore(NamedTuple):
    """What a model scored on longer strings.

    Attributes:
        score: the mean of ``by_length``; the paper calls a task solved from 0.9 on.
        by_length: the accuracy at each length: the share of scored symbols that are right.
    """

    score: float
    by_length: dict[int, float]


@torch.no_grad()
def length_score(
    predict: Callable[[Any], Any],
    task: Task,
    *,
    lengths: Iterable[int] | None = None,
    sequences: int = 512,
    batch_size: int = 64,
    seed: int = 1,
) -> LengthScore:
    """Score a model as Deletang et al. 2022 do: the accuracy at each length, and the mean over lengths.

    Each length counts as much as every other, however many symbols it has, and so does each batch of a length.

    Args:
        predict: What the model answers to a batch, such as
            ``lambda batch: model(batch.inputs, lengths=batch.lengths)[0]``.
        task: A task with a score named ``accuracy``.
        lengths: Lengths of strings: None for the task's ``evaluation_lengths``, an even sample of the paper's;
            ``PAPER_LENGTHS`` for all 460 of these.
        sequences: Strings of each length, a multiple of ``batch_size``; the paper's code has 512.
        batch_size: Strings of a batch; the paper's code has 64.
        seed: Of the strings.

    Returns:
        The score, from 0 to 1, and the accuracies it is the mean of.

    Raises:
        ValueError: If there is no length, or ``sequences`` is no multiple of ``batch_size``.
    """
    lengths = tuple(task.evaluation_lengths if lengths is None else lengths)
    if not lengths:
        raise ValueError("lengths is empty; give at least one length")
    check_at_least("batch_size", batch_size, 1)
    if sequences < 1 or sequences % batch_size:
        raise ValueError(f"sequences is {sequences}; give a multiple of batch_size {batch_size}")
    by_length = {}
    for length in lengths:
        random = generator(seed, "score", length)
        accuracies = []
        for _ in range(sequences // batch_size):
            batch = task.sample(batch_size, length, random)
            accuracies.append(float(task.scores(predict(batch), batch)["accuracy"]))
        by_length[length] = sum(accuracies) / len(accuracies)
    return LengthScore(sum(by_length.values()) / len(by_length), by_length)
