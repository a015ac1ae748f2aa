"""The report of a sweep: Markdown, CSV and figures in its directory."""

from pathlib import Path

from ...base.errors import RunError
from ...base.files import write_atomically
from ...training.loggers import read_metrics
from ...viz import LengthsPanel, learning_seeds_figure, lengths_seeds_figure, save_figure
from ..sweeps.directory import SweepDir
from ..sweeps.plan import Plan, PlanError
from ..sweeps.results import counts_errors, more_is_better
from .outcomes import Outcome, by_group, read_outcomes
from .tables import csv_rows, markdown


def make_report(
    sweep: SweepDir,
    plan: Plan,
    *,
    markdown_file: Path | None = None,
    csv_file: Path | None = None,
    ending: str = ".png",
    trusted: bool = False,
) -> dict[str, Path]:
    """Write tables and figures of what there is, of an unfinished sweep too.

    Args:
        sweep: its directory.
        plan: its plan.
        markdown_file: ``report.md`` of the directory by default.
        csv_file: ``report.csv`` of the directory by default.
        ending: of the figures' names, by which they are PNG, PDF or SVG.
        trusted: whether tasks of the user's own may be made, for what the report says of them.

    Returns:
        Name to path of what was written.

    Raises:
        PlanError: a trial's file is damaged, or a place cannot be written.
    """
    outcomes = read_outcomes(sweep, plan, trusted=trusted)
    figures = {**_learning(sweep, outcomes), **_lengths(sweep, outcomes)}
    written = {name: save_figure(figure, sweep.figures / f"{name}{ending}") for name, figure in figures.items()}
    paths = {"markdown": markdown_file or sweep.path / "report.md", "csv": csv_file or sweep.path / "report.csv"}
    home = paths["markdown"].resolve().parent
    links = [_relative(path, home) for path in written.values()]
    texts = {
        paths["markdown"]: markdown(sweep, plan, outcomes, links),
        paths["csv"]: csv_rows(sweep, plan, outcomes),
    }
    try:
        write_atomically({path: text.encode(errors="backslashreplace") for path, text in texts.items()})
    except OSError as error:
        raise PlanError(f"{error.filename or home} cannot be written: {error.strerror}") from error
    return {**paths, **written}


def _relative(path: Path, home: Path) -> str:
    try:
        return path.resolve().relative_to(home).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _learning(sweep: SweepDir, outcomes: list[Outcome]) -> dict:
    """One figure an experiment, a colour for each point of the grid."""
    figures = {}
    for experiment in dict.fromkeys(outcome.trial.experiment for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.trial.experiment == experiment]
        error = next((outcome.error for outcome in own if outcome.result), None)
        curves: dict[str, list] = {}
        for outcome in own:
            columns = _metrics(sweep, outcome)
            name = error or next(iter(_errors_first(columns)), None)
            if name and f"val/{name}" in columns:
                error = name
                curves.setdefault(outcome.trial.group, []).append(columns[f"val/{name}"])
        if curves:
            threshold = next((outcome.task.threshold for outcome in own if outcome.task.threshold), None)
            threshold = None if error and more_is_better(error) else threshold  # which is one of errors
            unit = (error or "error").replace("_", " ")
            figures[f"learning-{experiment}"] = learning_seeds_figure(
                curves, error=unit, threshold=threshold, title=f"Learning: {experiment}"
            )
    return figures


def _metrics(sweep: SweepDir, outcome: Outcome) -> dict[str, tuple[list[float], list[float]]]:
    path = sweep.trial(outcome.trial).path / "metrics.csv"
    try:
        return read_metrics(path) if path.is_file() else {}
    except RunError as error:
        raise PlanError(str(error)) from error


def _errors_first(columns: dict) -> list[str]:
    """The metrics of validation that may count errors, while no trial is done that would say which does."""
    names = [name.removeprefix("val/") for name in columns if name.startswith("val/") and name != "val/loss"]
    return [name for name in names if counts_errors(name)]


def _lengths(sweep: SweepDir, outcomes: list[Outcome]) -> dict:
    """A panel for each task, as it was trained on, and unit of errors."""
    panels: dict[tuple, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.result:
            panels.setdefault((outcome.task.name, outcome.task.trained_on, outcome.error), []).append(outcome)
    if not panels:
        return {}
    shown = [
        LengthsPanel(
            title=task,
            groups={group: [outcome.lengths for outcome in seeds] for group, seeds in by_group(same).items()},
            error=error.replace("_", " "),
            length_unit=same[0].task.length_unit,
            trained_on=trained_on,
        )
        for (task, trained_on, error), same in panels.items()
    ]
    return {"lengths": lengths_seeds_figure(shown, f"Length generalisation: {sweep.path.name}")}
