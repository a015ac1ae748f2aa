"""What may change in a run between two of its steps, and what has changed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..base.errors import UsageError
from ..training.callbacks.change_optimizer import CHANGEABLE

OPTIMIZER = tuple(f"optimizer.init_args.{name}" for name in CHANGEABLE)
MAY_CHANGE = (
    *OPTIMIZER,
    "trainer.",
    "loggers",
    "wandb.",
    "training.pictures_every",
    "training.evaluation_sequences",
    "model.init_args.backend",
)
"""Settings, or what they begin with: rate, steps, time, device, precision, callbacks, loggers, pictures."""
OF_THE_STEP = ("trainer.accumulate_grad_batches",)
"""Settings among those that change what a step is."""
ELSEWHERE = ("run_id", "runs", "experiment", "config")
"""Settings that say where a run is, which its directory does itself."""
BUDGET = ("trainer.max_steps", "trainer.max_time", "trainer.max_epochs")


class Change(NamedTuple):
    """A setting before and now."""

    before: Any
    now: Any


def find_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Change]:
    """The settings that differ, by key; those that only one of the two knows are another version's."""
    old, new = _flat(before), _flat(now)
    same = {key: Change(old[key], new[key]) for key in old if key in new and key.split(".")[0] not in ELSEWHERE}
    return {key: change for key, change in same.items() if change.before != change.now}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        inner = isinstance(value, Mapping) and bool(value)
        found |= _flat(value, f"{name}.") if inner else {name: value}
    return found


def check_changes(changes: Mapping[str, Change]) -> None:
    """Raise UsageError where one of them would make another run of it."""
    for key, change in changes.items():
        if key in OF_THE_STEP or not key.startswith(MAY_CHANGE):
            raise UsageError(
                f"{plain(key)} is {change.now!r}, but the run has been trained with {change.before!r}, and it cannot "
                "change within a run: set it back, or start a new run with `memnets fit`"
            )


def lengthens(changes: Mapping[str, Change]) -> bool:
    """Whether a run that has ended is given more steps or time."""
    return any(key in BUDGET for key in changes)


def optimizer_changes(changes: Mapping[str, Change]) -> dict[str, float]:
    """Settings of the optimiser to go on with, by name."""
    return {key.rpartition(".")[2]: change.now for key, change in changes.items() if key in OPTIMIZER}


def describe_changes(changes: Mapping[str, Change]) -> str:
    """``optimizer.lr 0.01 -> 0.001, trainer.max_steps 10 -> 20``."""
    return ", ".join(f"{plain(key)} {change.before} -> {change.now}" for key, change in changes.items())


def plain(key: str) -> str:
    """The key as it is written on the command line."""
    return key.replace(".init_args.", ".")
