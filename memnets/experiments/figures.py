"""The figures of a run, saved into its directory."""

from functools import partial
from pathlib import Path
from typing import Any

from .. import viz
from ..base.errors import UsageError
from ..training.inspection import careful, draw_all, save_all
from ..training.lengths import Table
from ..training.loggers import read_metrics
from .run_dir import RunDir


def draw_run(
    run: RunDir,
    model: Any,
    task: Any,
    lengths: Table,
    *,
    seed: int,
    length: int | None = None,
    ending: str = ".png",
    asked_for: bool = False,
) -> dict[str, Path]:
    """Save every figure there is data for, but those that cannot be drawn; returns name to path.

    Raises:
        UsageError: the task has no sequence of that ``length``.
        OSError: figures are ``asked_for``, and cannot be written.
    """
    try:
        figures = draw_all(model, task, seed=seed, length=length)
    except ValueError as error:
        raise UsageError(str(error)) from error
    numbers = read_metrics(run.metrics) if run.metrics.is_file() else {}
    if numbers:
        figures["training"] = careful("training", partial(viz.training_figure, numbers))()
    if lengths:
        trained_on = (task.min_length, task.max_length)
        draw = partial(viz.lengths_figure, lengths, trained_on, task.length_unit)
        figures["lengths"] = careful("lengths", draw)()
    figures = {name: figure for name, figure in figures.items() if figure is not None}
    return save_all(figures, run.figures, ending, asked_for=asked_for)
