"""A training that starts from the weights of another: ``--init_from``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ..base.adopting import Adopted, adopt_matching
from ..base.errors import RunError, UsageError
from ..base.model import Model
from ..base.saved_files import in_one_line, read_config
from ..base.saving import CONFIG, WEIGHTS
from ..training.callbacks.checkpoints import BEST, LAST
from .run_dir import RunDir
from .strict_yaml import load_mapping


def start_from(path: str, model: nn.Module) -> str:
    """Put the weights of another training into ``model``, as far as they fit; returns what to say of it.

    Nothing is made of what the other's files name: they are read as plain values and tensors.

    Args:
        path: a run directory, whose last checkpoint is taken; ``checkpoints/best.ckpt`` or ``last.ckpt`` in one; or
            what ``save_pretrained`` wrote.

    Raises:
        UsageError: nothing there can be read, or nothing fits.
    """
    if not path:
        raise UsageError("--init_from is empty: give a run directory, or leave it out")
    try:
        weights, config = _read(Path(path))
    except RunError as error:
        raise UsageError(f"--init_from: {error}") from error
    adopted = _adopt(model, weights, config)
    if not adopted.taken:
        raise UsageError(
            f"--init_from is {path}, but nothing there fits {type(model).__name__} ({adopted.describe()}): give a run "
            "of the same kind of model, or leave it out"
        )
    return f"starts from {path}: {adopted.describe()}"


def _adopt(model: nn.Module, weights: dict[str, Any], config: Mapping[str, Any]) -> Adopted:
    if isinstance(model, Model):
        return model.adopt_state(weights, config)
    return adopt_matching(model, weights)


def _read(path: Path) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Weights, and the class path and arguments of the model that they are of."""
    if (path / CONFIG).is_file() and (path / WEIGHTS).is_file():
        return _read_pretrained(path)
    which = "last"
    if path.name in (LAST, BEST) and path.is_file():
        path, which = path.absolute().parent.parent, path.stem
    run = RunDir.open(path)
    weights = run.read_checkpoint(which)["state_dict"]
    model = load_mapping(run.config).get("model")
    config = model if isinstance(model, dict) else {}
    return {k.removeprefix("model."): v for k, v in weights.items() if k.startswith("model.")}, config


def _read_pretrained(folder: Path) -> tuple[dict[str, Any], Mapping[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        arguments = read_config(folder / CONFIG)
        kind = arguments.pop("class", "")
        return load_file(folder / WEIGHTS), {"class_path": f"memnets.{kind}", "init_args": arguments}
    except (ValueError, SafetensorError) as error:
        raise RunError(f"{folder} is damaged: {in_one_line(error)}") from error
