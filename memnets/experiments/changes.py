"""What may change in a run between two of its steps, and what has changed."""

from collections.abc import Iterator, Mapping, Sequence
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
    """The settings that differ, by key; those that only one of the two knows are another version's.

    A part that was none and is a class now, such as ``lr_scheduler``, differs as a whole, and the other way round.
    """
    return {key: change for key, change in _differing(before, now) if key.split(".")[0] not in ELSEWHERE}


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Change]]:
    for name in before:
        if name not in now:
            continue
        old, new = before[name], now[name]
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differing(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name}", Change(old, new)


def check_changes(changes: Mapping[str, Change]) -> None:
    """Raise UsageError where one of them would make another run of it."""
    for key, change in changes.items():
        if key in OF_THE_STEP or not key.startswith(MAY_CHANGE):
            raise UsageError(
                f"{plain(key)} is {_shown(change.now)!r}, but the run has been trained with "
                f"{_shown(change.before)!r}, and it cannot "
                "change within a run: set it back, or start a new run with `memnets fit`"
            )


def check_place(overrides: Sequence[str]) -> None:
    """Raise UsageError where the command line would have the run elsewhere, or under another name.

    In ``config.yaml`` these say where the run was made: a directory may have been moved since.
    """
    for word in overrides:
        name = word.partition("=")[0].removeprefix("--")
        if word.startswith("--") and name in ELSEWHERE:
            raise UsageError(f"--{name} cannot change within a run, which goes on in its own directory: leave it out")


def check_steps(changes: Mapping[str, Change], steps: Any) -> None:
    """Raise UsageError where a run of so many steps is told to end before them; what is no number is refused later."""
    asked = changes.get("trainer.max_steps")
    if asked is not None and isinstance(asked.now, int) and isinstance(steps, int) and 0 <= asked.now < steps:
        raise UsageError(
            f"--trainer.max_steps is {asked.now}, but the run has {steps} steps behind it: give more, or {steps} to "
            "end it there"
        )


def lengthens(changes: Mapping[str, Change]) -> bool:
    """Whether a run that has ended is given more steps or time."""
    return any(key in BUDGET for key in changes)


def optimizer_changes(changes: Mapping[str, Change]) -> dict[str, float]:
    """Settings of the optimiser to go on with, by name."""
    return {key.rpartition(".")[2]: change.now for key, change in changes.items() if key in OPTIMIZER}


def describe_changes(changes: Mapping[str, Change]) -> str:
    """``optimizer.lr 0.01 -> 0.001, trainer.max_steps 10 -> 20``."""
    return ", ".join(f"{plain(key)} {_shown(change.before)} -> {_shown(change.now)}" for key, change in changes.items())


def _shown(value: Any) -> Any:
    """Of a class its path alone, which says enough; of lists each."""
    if isinstance(value, list):
        return [_shown(each) for each in value]
    return value["class_path"] if isinstance(value, Mapping) and "class_path" in value else value


def plain(key: str) -> str:
    """The key as it is written on the command line."""
    return key.replace(".init_args.", ".")
