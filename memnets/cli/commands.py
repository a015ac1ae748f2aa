"""The commands that need torch: fit, resume, lengths, show."""

import argparse
import datetime
import inspect
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from .. import viz
from ..sweeps.lock import HeldError, hold
from ..sweeps.machine import is_follower
from ..training.examine import has_memory, run_example
from ..training.lengths import Table, drawable_lengths, evaluate_lengths
from ..training.loggers import resolve_wandb_mode
from ..training.run_dir import RunDir, RunError
from .arguments import UsageError
from .drawing import draw_run
from .evaluating import task_of_split
from .experiments import find_experiment
from .fitting import Fit
from .parser import instantiate, parse_experiment
from .printing import print_lengths, print_paths, print_runs


def fit(options: argparse.Namespace) -> int:
    """``memnets fit``: train, evaluate, draw."""
    work = prepare(*find_experiment(options.experiment), options.overrides)
    config = work.config
    name = config.run_id or f"{datetime.datetime.now():%Y%m%d-%H%M%S}-seed{config.seed}"
    config.run_id = None  # the directory says it: the name asked for may be taken
    return work.start(lambda: RunDir.create(Path(config.runs), work.experiment, name))


def prepare(experiment: str, path: Path, overrides: list[str], defaults: dict[str, str] | None = None) -> Fit:
    """A training of the experiment in the file ``path``, checked and not started.

    Args:
        experiment: its name.
        path: its file.
        overrides: settings on top of the file, as on the command line.
        defaults: settings below it.

    Raises:
        UsageError: a setting is refused.
        WandbUnavailableError: W&B cannot be used as asked.
    """
    parser, config = parse_experiment(path, overrides, defaults)
    mode = resolve_wandb_mode(config.wandb.mode)
    torch.manual_seed(_seed(config))
    objects = instantiate(parser, config)
    config.experiment = config.experiment or experiment
    return Fit(config.experiment, parser, config, objects, mode)


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


def resume_run(run: RunDir) -> int:
    """Go on with a run; returns the exit status."""
    if run.result.is_file():
        raise RunError(f"{run.path} has ended (it holds result.json): start a new run with `memnets fit {run.config}`")
    parser, config = parse_experiment(run.config, [])
    mode = resolve_wandb_mode(config.wandb.mode)
    torch.manual_seed(_seed(config))
    objects = instantiate(parser, config)
    if run.last.is_file():
        run.load_weights(objects.model)
    return Fit(config.experiment or run.path.resolve().parent.name, parser, config, objects, mode).run(run, resume=True)


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
    figure = viz.lengths_figure(table, trained_on=(task.min_length, task.max_length))
    return viz.save_figure(figure, run.figures / f"lengths{suffix}.png")


def show(options: argparse.Namespace) -> int:
    """``memnets show``: all figures of a run."""
    run, _config, objects = load_run(options.run_dir)
    model, task = objects.model, objects.task
    table: Table = {int(n): row for n, row in run.read_result().get("lengths", {}).items()}
    paths = draw_run(run, model, task, table, seed=options.seed, length=options.length)
    if has_memory(model):
        _, _, record = run_example(model, task, seed=options.seed, length=options.length)
        assert record is not None
        print(viz.weightings_text(record))
    print_paths(paths)
    return 0


def load_run(path: str) -> tuple[RunDir, Namespace, Namespace]:
    """A run's directory, its configuration, and what that names, with the last checkpoint's weights.

    Raises:
        RunError: it is no run, or its checkpoint cannot be used.
        UsageError: what its configuration names cannot be made, as where data are no longer in their place.
    """
    run = RunDir.open(path)
    try:
        parser, config = parse_experiment(run.config, [])
        objects = instantiate(parser, config)
    except UsageError as error:
        raise UsageError(f"{run.config}: {str(error).removeprefix('fit: ')}") from error
    run.load_weights(objects.model, remap=True)
    return run, config, objects


def _seed(config: Namespace) -> int:
    if config.seed < 0:
        raise UsageError(f"fit: --seed is {config.seed}, but must be at least 0")
    return config.seed
