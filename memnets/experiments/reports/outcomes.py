"""All that a sweep's directory holds of its trials, for the report."""

from pathlib import Path
from typing import Any, NamedTuple

from ...base.errors import UsageError
from ...base.kinds import NUMBER
from ..strict_yaml import load_mapping
from ..sweeps.directory import SweepDir
from ..sweeps.machine import FACTS
from ..sweeps.plan import Plan, PlanError, Trial
from ..sweeps.results import error_name, errors_at, evaluation_errors, final_error


class TaskFacts(NamedTuple):
    """What the report says of a task."""

    name: str
    trained_on: tuple[int, int] | None = None
    length_unit: str = "length"
    threshold: float | None = None


class Outcome(NamedTuple):
    """One trial: its state, and its files' content where they are there."""

    trial: Trial
    state: str
    result: dict[str, Any] | None
    attempts: list[dict[str, Any]]
    task: TaskFacts

    @property
    def error(self) -> str:
        """The metric that counts errors."""
        assert self.result is not None
        return error_name(self.result)

    @property
    def final_error(self) -> float | None:
        """At the last validation."""
        assert self.result is not None
        return final_error(self.result)

    @property
    def lengths(self) -> dict[int, float]:
        """The error at each length."""
        assert self.result is not None
        return errors_at(self.result)

    @property
    def evaluations(self) -> dict[str, float]:
        """The same on what is new to the network, by name: ``task.splits().unseen``, where the task has them."""
        assert self.result is not None
        return evaluation_errors(self.result)


def read_outcomes(sweep: SweepDir, plan: Plan, *, trusted: bool = False) -> list[Outcome]:
    """Every trial of the plan, those of one group together.

    Args:
        sweep: its directory.
        plan: its plan.
        trusted: whether tasks of the user's own may be made, for what the report says of them.

    Raises:
        PlanError: a file is damaged.
    """
    found = []
    for trial in sorted(plan.trials(), key=lambda trial: list(plan.experiments).index(trial.experiment)):
        place = sweep.trial(trial)
        task = _read_task(place.config, trusted) if place.config.is_file() else TaskFacts("")
        found.append(Outcome(trial, place.state(), place.read_result(), place.read_attempts(), task))
    order = list(dict.fromkeys(outcome.trial.group for outcome in found))
    return sorted(found, key=lambda outcome: order.index(outcome.trial.group))


def by_group(outcomes: list[Outcome]) -> dict[str, list[Outcome]]:
    """The seeds of each experiment and point of the grid."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.trial.group, []).append(outcome)
    return groups


def machines(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """The different machines and settings of threads that the trials ran on."""
    known = [attempt for o in outcomes for attempt in o.attempts if all(fact in attempt for fact in FACTS)]
    return list({tuple(attempt[fact] for fact in FACTS): attempt for attempt in known}.values())


def _read_task(config: Path, trusted: bool) -> TaskFacts:
    """From the task that ``config.yaml`` names; of one that cannot be made, its name alone.

    Raises:
        PlanError: it is damaged.
    """
    try:
        settings = load_mapping(config)
        part, training = settings["task"], settings.get("training") or {}
        name = part["class_path"].rpartition(".")[2]
    except (UsageError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(
            f"{config} is damaged, as no task can be read from it ({type(error).__name__}): delete the directory and "
            "run the trial again"
        ) from error
    from ..config import parse_task

    try:
        task = parse_task(config, trusted=trusted)
        threshold = training.get("threshold")
        threshold = threshold if isinstance(threshold, NUMBER) else task.threshold
        return TaskFacts(name, (task.min_length, task.max_length), task.length_unit, threshold)
    except Exception:  # whatever a class says of settings that are not its own
        return TaskFacts(name)
