"""The commands that need torch: fit, resume, lengths, show."""

import argparse
import datetime
import inspect
from pathlib import Path
from typing import Any

from .. import viz
from ..base.errors import RunError, UsageError
from ..experiments.catalogue import find_experiment
from ..experiments.evaluate import task_of_split
from ..experiments.figures import draw_run
from ..experiments.load import load_run
from ..experiments.printing import print_lengths, print_paths, print_runs
from ..experiments.run_dir import RunDir
from ..experiments.start import prepare, resume_run
from ..experiments.sweeps.lock import HeldError, hold
from ..experiments.sweeps.machine import is_follower
from ..training.inspection import example_text
from ..training.lengths import Table, drawable_lengths, evaluate_lengths


def fit(options: argparse.Namespace) -> int:
    """``memnets fit``: train, evaluate, draw."""
    work = prepare(*find_experiment(options.experiment), options.overrides)
    config = work.config
    name = config.run_id or f"{datetime.datetime.now():%Y%m%d-%H%M%S}-seed{config.seed}"
    config.run_id = None  # the directory says it: the name asked for may be taken
    return work.start(lambda: RunDir.create(Path(config.runs), work.experiment, name))


def resume(options: argparse.Namespace) -> int:
    """``memnets resume``: go on with a stopped run, as if it had not been stopped."""
    run = RunDir.open(options.run_dir)
    if is_follower():
        return resume_run(run)
    try:
        with hold(run.path):
            return resume_run(run)
    except HeldError as error:
        raise RunError(str(error)) from error


def lengths(options: argparse.Namespace) -> int:
    """``memnets lengths``: errors on sequences of each length; of several runs a row each."""
    several, rows = len(options.run_dir) > 1, {}
    for path in options.run_dir:
        run, config, objects = load_run(path)
        unseen, split = task_of_split(objects.task, options.split)
        table = _evaluate(options, objects.model, unseen, config.seed)
        rows[path] = table
        if not several:
            print_lengths(table, objects.task, options.sequences, split)
            print_paths({"figure": _save_lengths(options, run, objects.task, table)})
    if several:
        if len({tuple(table) for table in rows.values()}) > 1:
            raise UsageError("lengths: the runs' tasks have lengths of their own: give --lengths for all of them")
        print_runs(rows)
    return 0


def _evaluate(options: argparse.Namespace, model: Any, task: Any, seed: int) -> Table:
    asked = {}
    if options.slots:
        if not hasattr(model, "resize"):
            raise UsageError(f"lengths: --slots needs a memory, but {type(model).__name__} has none")
        model.resize(options.slots)
    if options.repeats:
        if "repeats" not in inspect.signature(task.sample).parameters:
            raise UsageError(f"lengths: --repeats needs a task that repeats, but {type(task).__name__} does not")
        asked["repeats"] = options.repeats
    _search_as_asked(options, model)
    try:
        wanted = options.lengths or drawable_lengths(task)
        return evaluate_lengths(model, task, wanted, sequences=options.sequences, seed=seed, **asked)
    except ValueError as error:
        raise UsageError(f"lengths: {error}") from error


def _search_as_asked(options: argparse.Namespace, model: Any) -> None:
    """Let a reader or captioner predict as ``--decode`` and ``--beam`` say."""
    kind = type(model).__name__
    if options.decode:
        if not hasattr(model, "check_decode"):
            raise UsageError(f"lengths: --decode needs a reader of lines, but {kind} is none")
        try:
            model.check_decode(options.decode)
        except ValueError as error:
            raise UsageError(f"lengths: --{error}") from error
        model.decode = options.decode
    if options.beam:
        if not hasattr(model, "beam_size"):
            raise UsageError(f"lengths: --beam needs a reader or captioner, but {kind} is neither")
        model.beam_size = options.beam


def _save_lengths(options: argparse.Namespace, run: RunDir, task: Any, table: Table) -> Path:
    suffix = f"-slots{options.slots}" if options.slots else ""
    suffix += f"-repeats{options.repeats}" if options.repeats else ""
    suffix += f"-{'-'.join(options.split.split())}" if options.split else ""
    suffix += f"-{options.decode}" if options.decode else ""
    suffix += f"-beam{options.beam}" if options.beam else ""
    figure = viz.lengths_figure(table, trained_on=(task.min_length, task.max_length), length_unit=task.length_unit)
    return viz.save_figure(figure, run.figures / f"lengths{suffix}.png")


def show(options: argparse.Namespace) -> int:
    """``memnets show``: all figures of a run."""
    run, _config, objects = load_run(options.run_dir)
    model, task = objects.model, objects.task
    table: Table = {int(n): row for n, row in run.read_result().get("lengths", {}).items()}
    paths = draw_run(run, model, task, table, seed=options.seed, length=options.length)
    if text := example_text(model, task, seed=options.seed, length=options.length):
        print(text)
    print_paths(paths)
    return 0
