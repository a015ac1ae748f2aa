"""A training made ready from its file, or from the run directory of one that was stopped."""

from pathlib import Path

import torch
from jsonargparse import Namespace

from ..base.errors import RunError, UsageError
from ..training.loggers import resolve_wandb_mode
from .config import instantiate, parse_experiment
from .fit import Fit
from .run_dir import RunDir


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


def _seed(config: Namespace) -> int:
    if config.seed < 0:
        raise UsageError(f"fit: --seed is {config.seed}, but must be at least 0")
    return config.seed
