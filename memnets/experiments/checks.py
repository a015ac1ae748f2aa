"""What can be refused of a training before it starts, so that nothing is left behind."""

import inspect
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LearningRateFinder
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ..base.errors import BackendUnavailableError, UsageError
from ..base.seeding import generator
from ..training.adapters import is_sequence_module, probe
from ..training.learner import SequenceLearner
from .processes import check_processes

OTHER_STEPS = {
    "LBFGS": "evaluates a batch several times in a step",
    "SparseAdam": "takes sparse gradients alone",
}
"""Optimisers of torch that the step of a training here does not fit, and why."""


def check_optimizer(learner: SequenceLearner) -> None:
    """Make the optimiser once, and its scheduler, which takes a step where it waits for none of validations.

    Raises:
        UsageError: it does not fit.
        ValueError, TypeError: it refuses a setting.
    """
    made = learner.configure_optimizers()
    if isinstance(made, dict):
        check_scheduler(made["optimizer"], made["lr_scheduler"]["scheduler"])
    kind = type(made["optimizer"] if isinstance(made, dict) else made)
    for name, reason in OTHER_STEPS.items():
        if any(base.__name__ == name for base in inspect.getmro(kind)):
            raise UsageError(f"optimizer: {name} {reason}, which training here does not do: take one such as AdamW")


def check_scheduler(optimizer: Any, scheduler: Any) -> None:
    """Refuse a scheduler that fails at its first step, such as a cosine over none."""
    try:
        if not isinstance(scheduler, ReduceLROnPlateau):
            optimizer.step()  # of no gradients: torch wants it before the scheduler's
            scheduler.step()
    except Exception as error:  # whatever a user's own raises
        what = f"{type(error).__name__}: {error}"
        raise UsageError(
            f"--lr_scheduler {type(scheduler).__name__} cannot take a step ({what}): set it otherwise"
        ) from error


def check_callbacks(trial: Any) -> None:
    """Refuse callbacks of Lightning that look for what a learner here has not."""
    if any(isinstance(callback, LearningRateFinder) for callback in trial.callbacks):
        raise UsageError(
            "--trainer.callbacks: LearningRateFinder sets a rate of the model's, but here it is the optimiser's: set "
            "--optimizer.lr, or try several by memnets sweep --grid optimizer.lr=1e-4,1e-3"
        )


def check_trainer(trial: pl.Trainer, settings: Any) -> None:
    """Refuse what a run here cannot do, before anything is made."""
    every, whole = settings["val_check_interval"], settings["accumulate_grad_batches"]
    if not isinstance(every, int) or every < 1 or every % whole:
        raise UsageError(
            f"--trainer.val_check_interval is {every}, but must be a whole number of batches, at least 1"
            + (f" and a multiple of --trainer.accumulate_grad_batches {whole}" if whole > 1 else "")
        )
    check_callbacks(trial)
    check_processes(trial, settings["strategy"])


def check_stream(learner: SequenceLearner, trial: pl.Trainer) -> None:
    """Refuse to carry states in several processes, of which a checkpoint would hold one's alone."""
    if learner.train_on_batch.carried.is_carried and trial.world_size > 1:
        raise UsageError(
            f"{type(learner.task).__name__} is read by one process, which keeps what it has read so far, but "
            f"{trial.world_size} are to train: set --trainer.devices 1"
        )


def check_curriculum(learner: SequenceLearner) -> None:
    """Raise ValueError where the curriculum and the task do not go together."""
    step = learner.train_on_batch
    if step.curriculum is not None:
        step.curriculum.max_length(0, step.task)


def check_model(learner: SequenceLearner) -> None:
    """Put one short sequence through the model: does it take and give what the task needs?"""
    task = learner.task
    shortest = torch.tensor([task.min_length])  # a tensor: of files, the nearest that can be read will do
    batch = task.sample(1, shortest, generator(learner.seed, "probe", 0))
    try:
        probe(learner.model, task, batch)
    except BackendUnavailableError:
        raise
    except Exception as error:
        kind = type(learner.model).__name__
        if not is_sequence_module(learner.model):
            raise UsageError(f"{kind} does not work on a batch of {type(task).__name__}: {error}") from error
        raise UsageError(
            f"{kind} does not work as model(inputs (B, T, {task.input_size}), "
            f"lengths=(B,)) -> (logits (B, T, {task.output_size}), state): {error}"
        ) from error
