"""The loggers that an experiment names: checked before anything starts, made once there is a run directory."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jsonargparse import ArgumentParser
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from ..base.errors import UsageError
from ..training.loggers import MetricsCSV, Wandb
from .class_paths import check_ours, check_within, find_class, importing
from .given import parameters_of
from .messages import one_line
from .run_dir import RunDir

OF_THE_RUN = ("save_dir", "version")
"""Arguments that are the run's directory and id, where a logger has them and nothing else was given."""
WITHIN_THE_RUN = (MetricsCSV, Wandb, CSVLogger, TensorBoardLogger)
"""Loggers that anybody's file may name; others send numbers away, or keep them where they like."""


class LoggerPlan(NamedTuple):
    """A logger that is to be made."""

    kind: type[Logger]
    arguments: dict[str, Any]
    """Those that were given, with the class's defaults."""
    of_the_run: tuple[str, ...]
    """Those that the run says."""


def plan_loggers(settings: Sequence[Any], wandb: Mapping[str, Any], mode: str, *, trusted: bool) -> list[LoggerPlan]:
    """What ``loggers`` of an experiment asks for.

    Args:
        settings: class paths, or mappings with ``class_path`` and ``init_args``.
        wandb: the section of W&B's settings.
        mode: W&B's, resolved; "disabled" leaves it out.
        trusted: whether classes of the user's own may be named.

    Raises:
        UsageError: one is no logger, or refuses a setting.
    """
    plans = [_plan(item, trusted) for item in settings]
    if not any(issubclass(plan.kind, MetricsCSV) for plan in plans):  # which belongs to every run's directory
        plans = [LoggerPlan(MetricsCSV, {}, ("save_dir",)), *plans]
    for plan in plans:
        if issubclass(plan.kind, Wandb):
            plan.arguments.update(wandb, mode=mode)
    return [plan for plan in plans if not (issubclass(plan.kind, Wandb) and mode == "disabled")]


def _plan(item: Any, trusted: bool) -> LoggerPlan:
    content: Any = {"class_path": item} if isinstance(item, str) else item
    if not isinstance(content, dict) or not isinstance(content.get("class_path"), str):
        raise UsageError(f"loggers holds {item!r}, but must be a list of classes: write [{{class_path: ...}}]")
    if unknown := set(content) - {"class_path", "init_args"}:
        raise UsageError(f"loggers: unknown setting {min(unknown)!r} beside class_path and init_args")
    class_path = content["class_path"]
    if not trusted:
        check_ours("loggers", class_path)
    with importing(trusted):
        try:
            kind = find_class(class_path, Logger)
        except UsageError as error:
            raise UsageError(f"loggers: {error}") from error
        if not trusted:
            if kind not in WITHIN_THE_RUN:
                raise UsageError(f"loggers: {class_path} may send away what it is told: add --trust if you mean it")
            check_within("loggers", content.get("init_args") or {})
        if issubclass(kind, Wandb):
            if content.get("init_args"):
                raise UsageError(f"loggers: {class_path} has its settings in the section wandb: write wandb.project")
            return LoggerPlan(kind, {}, (*OF_THE_RUN, "experiment", "resumed"))
        return _check_arguments(kind, class_path, content.get("init_args") or {})


def _check_arguments(kind: type[Logger], class_path: str, given: dict[str, Any]) -> LoggerPlan:
    run = tuple(name for name in OF_THE_RUN if name in parameters_of(class_path) and given.get(name) is None)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "logger", fail_untyped=False)
    try:
        parsed = parser.parse_object({"logger": {**given, **dict.fromkeys(run, "run")}}).logger.as_dict()
    except Exception as error:
        line = one_line(str(error), [], [f"logger.{name}" for name in parameters_of(class_path)])
        raise UsageError(f"loggers: {class_path}: {line.replace('--logger.', '').replace('logger.', '')}") from error
    return LoggerPlan(kind, {name: value for name, value in parsed.items() if name not in run}, run)


def make_loggers(
    plans: Sequence[LoggerPlan], run: RunDir, *, experiment: str, run_id: str, resumed: bool
) -> list[Logger]:
    """The loggers of a run.

    Raises:
        UsageError: one cannot be made, as where its package is not installed.
    """
    known = {"save_dir": str(run.path), "version": run_id, "experiment": experiment, "resumed": resumed}
    made = []
    for plan in plans:
        try:
            made.append(plan.kind(**plan.arguments, **{name: known[name] for name in plan.of_the_run}))
        except (ImportError, TypeError, ValueError) as error:
            raise UsageError(f"loggers: {plan.kind.__name__} cannot be made: {error}") from error
    return made


def forget_after(loggers: Sequence[Logger], step: int) -> None:
    """Drop the numbers of later steps, which a resumed run takes again."""
    for logger in loggers:
        if isinstance(logger, MetricsCSV):
            logger.forget_after(step)


def close(loggers: Sequence[Logger], status: int) -> None:
    """End all; ``status`` is 0 where the run ended well."""
    for logger in loggers:
        if isinstance(logger, Wandb):
            logger.close(status)
        elif isinstance(logger, MetricsCSV):
            logger.save()
        else:
            logger.finalize("failed" if status else "success")
