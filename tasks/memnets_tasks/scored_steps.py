"""Scoring of tasks whose answer is right or wrong at each scored step, over all of a batch and over slices of it."""

import abc
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from memnets_tasks.base import Batch, Task


class Tally(NamedTuple):
    """A sum, and the number that it is divided by to give a mean: both scalars."""

    total: Tensor
    number: Tensor


class StepTask(Task):
    """A task that is scored step by step.

    A slice is a part of the scored steps that is reported by itself, such as the sequences with 64 pairs. Each slice of
    ``slice_masks`` has a score ``accuracy_<slice>``, which is NaN where nothing of it was drawn.

    Abstract: a subclass defines ``sample``, ``loss`` and ``right``, and sets the attributes of ``Task``.
    """

    @abc.abstractmethod
    def right(self, predictions: Tensor, batch: Batch) -> Tensor:
        """Where the answer of a step is right: ``(B, T)``, bool; of any value where nothing is scored."""

    def slice_masks(self, batch: Batch) -> dict[str, Tensor]:
        """The sequences ``(B, 1)``, or steps ``(B, T)``, bool, of each slice; none by default."""
        del batch
        return {}

    def tallies(self, predictions: Tensor, batch: Batch) -> dict[str, Tally]:
        """The scores of a batch as sums and counts, which can be added up over a corpus."""
        right = self.right(predictions, batch) & batch.mask
        wrong = (batch.mask & ~right).sum(1)
        tallies = {
            "accuracy": Tally(right.sum(), batch.mask.sum()),
            "sequence_accuracy": Tally((wrong == 0).sum(), batch.lengths.new_tensor(len(batch))),
        }
        for name, where in self.slice_masks(batch).items():
            tallies[f"accuracy_{name}"] = Tally((right & where).sum(), (batch.mask & where).sum())
        return tallies

    def errors(self, predictions: Tensor, batch: Batch) -> Tensor:
        """The wrong steps of each sequence: ``(B,)``, float32.

        Args:
            predictions: ``(B, T, O)``, the network's output.
            batch: The batch the output belongs to.
        """
        return (batch.mask & ~self.right(predictions, batch)).sum(1).float()

    def scores(self, predictions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Score a batch.

        Args:
            predictions: ``(B, T, O)``, the network's output.
            batch: The batch the output belongs to.

        Returns:
            Scalars: ``accuracy``, the share of scored steps that are right, from 0 to 1; ``sequence_accuracy``, the
            share of sequences without a wrong step; and the accuracy of each slice.
        """
        return _means(self.tallies(predictions, batch))

    def corpus_scores(self, pairs: Iterable[tuple[Tensor, Batch]]) -> dict[str, Tensor]:
        """Score many batches as one; takes ``(predictions, batch)`` of each.

        Raises:
            ValueError: If there is no pair.
        """
        return _means(self.corpus_tallies(pairs))

    def corpus_tallies(self, pairs: Iterable[tuple[Tensor, Batch]]) -> dict[str, Tally]:
        """The tallies of all batches, added up in float64; raises what ``corpus_scores`` does."""
        sums: dict[str, Tally] = {}
        for predictions, batch in pairs:
            for name, (total, number) in self.tallies(predictions, batch).items():
                before = sums.get(name, Tally(torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)))
                sums[name] = Tally(before.total + total.double().cpu(), before.number + number.cpu())
        if not sums:
            raise ValueError("there is nothing to score; give at least one pair of predictions and their batch")
        return sums


def _means(tallies: Mapping[str, Tally]) -> dict[str, Tensor]:
    return {name: total / number for name, (total, number) in tallies.items()}  # 0 / 0 is NaN: nothing was drawn
