"""Trained models from their run directories."""

from typing import Any

from jsonargparse import ArgumentParser, Namespace
from torch import nn

from ..base.errors import UsageError
from ..base.saved_files import few_parts
from ..base.task import ImageTask
from ..models.language_model import LanguageModel
from ..text.symbol_tables import WithSymbols
from .class_paths import find_class, importing
from .config import instantiate, linked, parse_reading
from .run_dir import RunDir


def load_run(path: str, *, which: str = "last", vouched: bool = False) -> tuple[RunDir, Namespace, Namespace]:
    """A run's directory, its seed, task and model, and these made, with a checkpoint's weights.

    Nothing that trains is made: no optimiser, callback or logger.

    Args:
        path: the directory.
        which: checkpoint, "last" or "best".
        vouched: the user said ``--trust``.

    Raises:
        RunError: it is no run, or its checkpoint cannot be used.
        UsageError: what its configuration names cannot be made, as where data are no longer in their place.
    """
    run = RunDir.open(path)
    trusted = run.is_trusted(vouched)
    try:
        parser, config = parse_reading(run.config, trusted=trusted)
        saved = run.read_checkpoint(which)
        with few_parts(run.config, len(saved["state_dict"])):
            objects = instantiate(parser, config)
    except UsageError as error:
        raise UsageError(f"{run.config}: {error}") from error
    run.load_weights(objects.model, remap=True, saved=saved)
    return run, config, objects


def load_language_model(path: str, *, which: str = "last", vouched: bool = False) -> tuple[RunDir, LanguageModel]:
    """A run, and its language model with a checkpoint's weights; the text that it learnt from need not be there.

    Raises:
        RunError: it is no run, or its checkpoint cannot be used.
        UsageError: what its configuration names cannot be made, or it is no language model.
    """
    run, model, _ = load_reader(path, which=which, vouched=vouched)
    if not isinstance(model, LanguageModel):
        raise UsageError(
            f"{run.config}: the model is a {type(model).__name__}, which writes no text: give a run of a "
            "LanguageModel, such as runs/chars-lstm/<id>"
        )
    return run, model


def load_reader(path: str, *, which: str = "last", vouched: bool = False) -> tuple[RunDir, Any, Any]:
    """A run, its model with the last checkpoint's weights, and what has ``load_images(paths)`` for it, or None.

    Where symbols are all that the model has of its task, and the task is none of images or says from its settings alone
    how it loads them (``ImageTask.loader``), the task is not made, and the symbols are those of the checkpoint: so a
    run directory is enough, wherever the data are.

    Raises:
        RunError: it is no run, or its checkpoint cannot be used.
        UsageError: what its configuration names cannot be made.
    """
    run = RunDir.open(path)
    trusted = run.is_trusted(vouched)
    try:
        _, config = parse_reading(run.config, trusted=trusted)
        task, model = (find_class(part.class_path) for part in (config.task, config.model))
        of_images = issubclass(task, ImageTask)
        loader = task.loader(config.task.init_args.as_dict()) if of_images else None
        if issubclass(model, WithSymbols) and (loader is not None or not of_images):
            codes = run.read_checkpoint(which)["state_dict"].get("model._extra_state")
            symbols = {} if codes is None else model.symbols_of(codes)
            if symbols and symbols.keys() >= linked(config.model.class_path):
                made = _make(config.model, symbols, trusted)
                return run, run.load_weights(made, which=which), loader
    except UsageError as error:
        raise UsageError(f"{run.config}: {error}") from error
    run, _, objects = load_run(path, which=which, vouched=vouched)
    return run, objects.model, objects.task if isinstance(objects.task, ImageTask) else None


def _make(config: Namespace, symbols: dict[str, Any], trusted: bool) -> nn.Module:
    """The model of a configuration with these symbols, which are otherwise the task's to say."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--model", type=nn.Module)
    settings = config.as_dict()
    settings["init_args"] |= symbols
    with importing(trusted):
        return parser.instantiate(parser.parse_object({"model": settings})).model
