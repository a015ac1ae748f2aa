"""Schedulers of the learning rate: a step with each of the optimiser's, or with each validation.

Annealing multiplies what the schedule says by a share of its own: ``full_lr`` of a group of parameters is the
schedule's rate, ``lr`` the one that is used.
"""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.optim.lr_scheduler import ReduceLROnPlateau


def after_step(trainer: pl.Trainer) -> None:
    """A step of each scheduler but those that wait for validations."""
    for scheduler in _schedulers(trainer):
        if not isinstance(scheduler, ReduceLROnPlateau):
            _step(scheduler)


def after_validation(trainer: pl.Trainer, error: float) -> None:
    """A step of each scheduler that looks at validations: of the errors a sequence, where less is better."""
    for scheduler in _schedulers(trainer):
        if isinstance(scheduler, ReduceLROnPlateau):
            _step(scheduler, error)


def _schedulers(trainer: pl.Trainer) -> list[Any]:
    return [config.scheduler for config in trainer.lr_scheduler_configs]


def _step(scheduler: Any, *seen: float) -> None:
    groups = scheduler.optimizer.param_groups
    shares = [group["lr"] / group["full_lr"] if group.get("full_lr") else 1.0 for group in groups]
    for group in groups:
        group["lr"] = group.pop("full_lr", group["lr"])
    try:
        scheduler.step(*seen)
    except ValueError as error:  # such as OneCycleLR after its last step
        raise MisconfigurationException(f"--lr_scheduler {type(scheduler).__name__}: {error}") from error
    for group, share in zip(groups, shares):
        if share != 1.0:
            group["full_lr"], group["lr"] = group["lr"], group["lr"] * share
