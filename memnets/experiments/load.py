"""Trained models from their run directories."""

import pkgutil
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from torch import nn

from ..base.errors import UsageError
from ..base.task import ImageTask
from ..text.symbol_tables import WithSymbols
from .config import instantiate, parse_experiment
from .run_dir import RunDir


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


def load_reader(path: str) -> tuple[RunDir, Any, Any]:
    """A run, its model with the last checkpoint's weights, and what has ``load_images(paths)`` for it, or None.

    Where the task's class says from its settings alone how it loads images (``ImageTask.loader``), the task is not
    made, and the symbols are those of the checkpoint: so a run directory is enough, wherever the data are.

    Raises:
        RunError: it is no run, or its checkpoint cannot be used.
        UsageError: what its configuration names cannot be made.
    """
    run = RunDir.open(path)
    try:
        _, config = parse_experiment(run.config, [])
        task, model = (pkgutil.resolve_name(part.class_path) for part in (config.task, config.model))
        loader = task.loader(config.task.init_args.as_dict()) if _is(task, ImageTask) else None
        if loader is not None and _is(model, WithSymbols):
            codes = run.read_checkpoint()["state_dict"].get("model._extra_state")
            if codes is not None:
                made = _make(config.model, model.symbols_of(codes))
                return run, run.load_weights(made), loader
    except UsageError as error:
        raise UsageError(f"{run.config}: {str(error).removeprefix('fit: ')}") from error
    run, _, objects = load_run(path)
    return run, objects.model, objects.task if isinstance(objects.task, ImageTask) else None


def _is(given: Any, kind: type) -> bool:
    return isinstance(given, type) and issubclass(given, kind)


def _make(config: Namespace, symbols: dict[str, Any]) -> nn.Module:
    """The model of a configuration with these symbols, which are otherwise the task's to say."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--model", type=nn.Module)
    settings = config.as_dict()
    settings["init_args"] |= symbols
    return instantiate(parser, parser.parse_object({"model": settings})).model
