"""Settings of an experiment that are none of its classes': how to train, and where W&B runs go."""

import dataclasses
import math
from typing import Any

from ..training.adapters import is_sequence_module


@dataclasses.dataclass
class TrainingOptions:
    """How to train.

    Args:
        batch_size: sequences a step.
        validation_size: fresh sequences at each validation.
        checks: validations in a row below the threshold that make a run solved.
        threshold: errors per sequence; the task's own by default.
        anneal_steps: steps after that, over which the learning rate falls to zero.
        anneal_below: errors per sequence below which, as many times in a row, annealing begins; the
            threshold where that is larger, or where this is null.
        anneal_checks: validations in a row below that with which annealing begins; null for checks.
        failure_bound: share of sequences that may fail, each as a whole, when annealing ends; where more do, another
            annealing follows from a quarter of the rate. null for any.
        failure_sequences: sequences among which failing ones are counted, then and for result.json; null for as many as
            show the bound, then, and for 20 times evaluation_sequences, at last (of readers and captioners for as many
            as these).
        failure_replay: share of each batch that is drawn from the sequences that failed since annealing began; 0 for
            none. It needs failure_bound.
        focus: weight, at the end of an annealing once a run is solved, of a penalty on read weightings that are
            spread over several slots, at a step drawn for each sequence; 0 for none. It grows as the rate falls, needs
            anneal_steps, and is without effect on a model that has no read heads.
        collapse_rise: errors per sequence above the best that, at three validations in a row, take training back to its
            best weights at half the rate, and so does a run that would end as diverged; null for never.
        spike_clip: clip the gradient's norm at this many times the median of the last 100; null for not.
        spike_floor: but never below this norm, so that rare mistakes can still be learnt from.
        skip_nonfinite: steps in a row that may be left out as their gradient is NaN or Inf; one more ends the run.
        min_slots: train each step on a number of slots drawn from this to the model's own; null for the latter. Without
            effect on a model that has no memory, or no more slots.
        slot_sizes: draw among so many numbers of slots, evenly spread, each of which has a kernel compiled; null for
            all of them.
        evaluation_sequences: sequences of each length in the table at the end.
        pictures_every: validations between pictures of the memory; 0 for none.
    """

    batch_size: int = 16
    validation_size: int = 256
    checks: int = 3
    threshold: float | None = None
    anneal_steps: int = 0
    anneal_below: float | None = None
    anneal_checks: int | None = None
    failure_bound: float | None = None
    failure_sequences: int | None = None
    failure_replay: float = 0.0
    focus: float = 0.0
    collapse_rise: float | None = None
    spike_clip: float | None = None
    spike_floor: float = 0.0
    skip_nonfinite: int = 0
    min_slots: int | None = None
    slot_sizes: int | None = None
    evaluation_sequences: int = 100
    pictures_every: int = 5

    def sequences_for_failures(self, model: Any) -> int:
        """How many sequences failures of this model are counted among."""
        if self.failure_sequences is not None:
            return self.failure_sequences
        return (20 if is_sequence_module(model) else 1) * self.evaluation_sequences

    def sequences_for_bound(self, model: Any) -> int:
        """How many sequences failures are counted among when an annealing ends."""
        if self.failure_sequences is None and self.failure_bound:
            return math.ceil(1 / self.failure_bound)
        return self.sequences_for_failures(model)


@dataclasses.dataclass
class WandbOptions:
    """Where W&B runs go.

    Args:
        mode: online, offline or disabled; WANDB_MODE goes first, offline is the default.
        project: W&B project.
        entity: W&B user or team.
        group: W&B group.
        log_checkpoint: also keep the last checkpoint as a W&B artifact.
    """

    mode: str | None = None
    project: str = "memnets"
    entity: str | None = None
    group: str | None = None
    log_checkpoint: bool = False
