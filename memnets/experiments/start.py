"""A training made ready from its file, or from the run directory of one that was stopped."""

import contextlib
import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser, Namespace

from ..base.errors import RunError, UsageError
from ..base.saved_files import few_parts
from ..training.loggers import resolve_wandb_mode
from .catalogue import find_experiment
from .changes import (
    check_changes,
    check_place,
    check_steps,
    describe_changes,
    find_changes,
    lengthens,
    optimizer_changes,
)
from .config import describe_class, instantiate, parse_experiment, to_plain
from .fit import Fit
from .given import PARTS
from .init_from import start_from
from .lock import hold
from .printing import say
from .run_dir import RunDir
from .sweeps.machine import is_follower
from .trust import ONLINE


def prepare(
    experiment: str,
    path: Path,
    overrides: Sequence[str],
    defaults: dict[str, str] | None = None,
    *,
    said: Sequence[str] | None = None,
    trusted: bool = True,
) -> Fit:
    """A training of the experiment in the file ``path``, checked and not started.

    Args:
        experiment: its name.
        path: its file.
        overrides: settings on top of the file, as on the command line.
        defaults: settings below it.
        said: those of ``overrides`` that the user has said, where a sweep says them; all of them if None.
        trusted: whether classes of the user's own may be named.

    Raises:
        UsageError: a setting is refused.
        WandbUnavailableError: W&B cannot be used as asked.
    """
    parser, config = parse_experiment(path, overrides, defaults, trusted=trusted)
    mode = _wandb_mode(config, overrides if said is None else said, trusted)
    objects = _make(parser, config)
    start = None if config.init_from is None else start_from(config.init_from, objects.model)
    config.experiment = config.experiment or experiment
    return Fit(config.experiment, parser, config, objects, mode, start=start)


def resume_run(run: RunDir, overrides: Sequence[str] = (), *, trusted: bool = False) -> int:
    """Go on with a run, with other settings where they may change; returns the exit status.

    What has been changed since the last checkpoint, in ``config.yaml`` or by ``overrides``, is said.

    Raises:
        RunError: it has ended.
        UsageError: a setting is refused, or cannot change within a run.
    """
    check_place(overrides)
    parser, config = parse_experiment(run.config, overrides, trusted=trusted)
    before = _settings_so_far(run, trusted)
    saved = run.read_checkpoint() if run.last.is_file() else None
    with contextlib.nullcontext() if saved is None else few_parts(run.config, len(saved["state_dict"])):
        objects = _make(parser, config)
    changes = find_changes(before, to_plain(parser, config))
    check_changes(changes)
    check_steps(changes, (saved or {}).get("global_step"))
    if config.lr_scheduler is not None and "lr" in optimizer_changes(changes):
        raise UsageError(
            f"--optimizer.lr is {optimizer_changes(changes)['lr']}, but --lr_scheduler sets the rate of this run: "
            "leave it as it was, or start a new run with --init_from"
        )
    if run.result.is_file() and not lengthens(changes):
        raise RunError(
            f"{run.path} has ended (it holds result.json): train it for longer with `memnets resume {run.path} "
            f"--trainer.max_steps N`, or start a new run with `memnets fit {run.config}`"
        )
    if not trusted and (run.wandb / "settings").exists():
        raise UsageError(f"{run.wandb / 'settings'} would tell W&B where to send: remove it, or add --trust")
    mode = _wandb_mode(config, overrides, trusted)
    start = None
    if run.last.is_file():
        run.load_weights(objects.model)
    elif config.init_from is not None:  # stopped before the first checkpoint: it begins as it did
        start = start_from(config.init_from, objects.model)
    name = config.experiment or run.path.resolve().parent.name
    fit = Fit(name, parser, config, objects, mode, optimizer_changes(changes), start)
    if changes and fit.leads:
        say(f"changed: {describe_changes(changes)}")
    if fit.leads and (overrides or changes):
        fit.write_config(run)
        if trusted:
            run.vouch()
    if fit.leads:
        run.tidy()
        run.result.unlink(missing_ok=True)  # it is written anew at the end
    return fit.run(run, resume=True)


def _settings_so_far(run: RunDir, trusted: bool) -> dict[str, Any]:
    """The settings that the last checkpoint was trained with; of version 0.1.0, those of ``config.yaml``."""
    if run.last.is_file() and (saved := run.read_checkpoint().get("memnets", {}).get("settings")):
        return saved
    parser, config = parse_experiment(run.config, trusted=trusted)
    return to_plain(parser, config)


def _wandb_mode(config: Namespace, said: Sequence[str], trusted: bool) -> str:
    """W&B's mode, resolved.

    Raises:
        UsageError: the file of another would send something that the user has not said, or to whom.
        WandbUnavailableError: W&B cannot be used as asked.
    """
    own = {word.split("=")[0] for word in said} | ({"--wandb.mode"} if os.environ.get("WANDB_MODE") else set())
    if not trusted and (os.environ.get("WANDB_MODE") or config.wandb.mode) in ONLINE:
        for name in ("mode", "entity"):
            if config.wandb[name] is not None and not own & {"--wandb", f"--wandb.{name}"}:
                raise UsageError(
                    f"wandb.{name} is {config.wandb[name]!r}, and its file is another's (or was moved): say "
                    f"--wandb.{name} yourself, --wandb.mode offline, or --trust"
                )
        if (settings := Path("wandb", "settings")).exists() and not os.environ.get("WANDB_DIR"):
            raise UsageError(f"{settings.absolute()} would tell W&B where to send: remove it, or add --trust")
    return resolve_wandb_mode(config.wandb.mode)


def _make(parser: ArgumentParser, config: Namespace) -> Namespace:
    if not 0 <= config.seed < 2**63:
        raise UsageError(f"--seed is {config.seed}, but must be at least 0 and below 2^63")
    torch.manual_seed(config.seed)
    return instantiate(parser, config)


def fit_experiment(name: str, overrides: Sequence[str], *, vouched: bool = False) -> int:
    """Train the experiment of that name, or of that file, in a new run directory; returns the exit status.

    Raises:
        UsageError: there is no such experiment, or a setting is refused.
    """
    experiment, path = find_experiment(name)
    trusted = _is_trusted(path, vouched)
    if not trusted and not any(word.split("=")[0] == "--runs" for word in overrides):
        overrides = [*overrides, "--runs", "runs"]  # a stranger's file does not say where
    work = prepare(experiment, path, overrides, trusted=trusted)
    config = work.config
    run_id = config.run_id or f"{datetime.datetime.now():%Y%m%d-%H%M%S}-seed{config.seed}"
    config.run_id = None  # the directory says it: the name asked for may be taken
    return work.start(lambda: RunDir.create(Path(config.runs), work.experiment, run_id), hold)


def _is_trusted(path: Path, vouched: bool) -> bool:
    """A file that is given to fit is trusted as a script is; the configuration of a run is not by itself."""
    run = RunDir(path.parent)
    if path.name != run.config.name or not (run.checkpoints.exists() or run.result.exists() or run.metrics.exists()):
        return True
    return RunDir.open(path.parent).is_trusted(vouched)


def resume_directory(path: str, overrides: Sequence[str], *, vouched: bool = False) -> int:
    """:func:`resume_run` of a directory, which is held meanwhile.

    Raises:
        HeldError: another process trains it.
    """
    run = RunDir.open(path)
    trusted = run.is_trusted(vouched)
    if is_follower():
        return resume_run(run, overrides, trusted=trusted)
    with hold(run.path):
        return resume_run(run, overrides, trusted=trusted)


def print_keys(name: str, overrides: Sequence[str]) -> None:
    """Every key of an experiment, those of its task, model, optimizer and curriculum included."""
    _, path = find_experiment(name)
    parser, config = parse_experiment(path, overrides, trusted=_is_trusted(path, False))
    parser.print_help()
    for part in PARTS:
        settings = config.get(part)
        if settings is not None:
            print(f"\n{part}: {settings.class_path}")
            for key, value in describe_class(settings.class_path, settings.get("init_args")):
                print(f"  --{part}.{key}  {value}")
