"""One score for every task: 0 is the best answer that looks at nothing, 1 is no mistake."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...base.errors import UsageError
from ...base.task import Task


def chance(task: Task, batch: Any) -> float:
    """The share that is right where each output is always the one that is wanted most often of it.

    Args:
        task: whose batch it is.
        batch: of many sequences.
    """
    wanted = batch.targets[batch.mask]  # (scored steps, O), or (scored steps,)
    if wanted.dim() == 1:
        return float(wanted.unique(return_counts=True)[1].max() / len(wanted))
    if _is_one_hot(wanted):
        return float(wanted.float().mean(0).max())
    ones = (wanted > 0.5).float().mean(0)  # (O,)
    return float(torch.maximum(ones, 1 - ones).mean())


def _is_one_hot(wanted: Tensor) -> bool:
    return wanted.shape[1] > 1 and bool((wanted.sum(1) == 1).all())


def share_right(task: Task, scores: Mapping[str, float], batch: Any) -> float | None:
    """The share of what is scored that is right; None of tasks that do not count it.

    Args:
        task: whose scores they are.
        scores: of many sequences.
        batch: of the same length, to know how much is scored.
    """
    if "accuracy" in scores:
        return scores["accuracy"]
    if "bit_errors" in scores:
        bits = float(batch.mask.sum()) * batch.targets.shape[-1] / len(batch)
        return 1 - scores["bit_errors"] / bits
    return None


def score(task: Task, scores: Mapping[str, float], batch: Any) -> float:
    """From the task's own scores to one number; below 0 is worse than looking at nothing.

    Raises:
        UsageError: the task has neither ``accuracy`` nor ``bit_errors``, nor a cost and its optimum.
    """
    right = share_right(task, scores, batch)
    if right is not None:
        usual = chance(task, batch)
        return (right - usual) / max(1 - usual, 1e-6)
    if {"excess", "optimal"} <= set(scores):  # in bits: to guess costs one for each that is scored
        guessing = float(batch.mask.sum()) / len(batch)
        return 1 - scores["excess"] / max(guessing - scores["optimal"], 1e-6)
    raise UsageError(
        f"{type(task).__name__} has {', '.join(scores)}: an atlas needs a score named accuracy, the share that is right"
    )
