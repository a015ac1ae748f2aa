"""An experiment's keys: a YAML file and ``--key value`` on top of it, checked before anything starts.

jsonargparse, which LightningCLI is made of, is used directly: an experiment here has a task, a model and an
optimiser side by side, of which the learner is made, where LightningCLI has one module and one data module.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
from jsonargparse import ArgumentParser, Namespace
from torch import nn
from torch.optim import Optimizer

from ..training.protocols import Curriculum, Task
from .arguments import UsageError, suggest


@dataclasses.dataclass
class TrainingOptions:
    """How to train.

    Args:
        batch_size: sequences a step.
        validation_size: fresh sequences at each validation.
        checks: validations in a row below the threshold that make a run solved.
        threshold: errors per sequence; the task's own by default.
        anneal_steps: steps after that, over which the learning rate falls to zero.
        evaluation_sequences: sequences of each length in the table at the end.
        pictures_every: validations between pictures of the memory; 0 for none.
    """

    batch_size: int = 16
    validation_size: int = 256
    checks: int = 3
    threshold: float | None = None
    anneal_steps: int = 0
    evaluation_sequences: int = 100
    pictures_every: int = 5


@dataclasses.dataclass
class WandbOptions:
    """Where W&B runs go.

    Args:
        mode: online, offline or disabled; WANDB_MODE goes first, offline is the default.
        project: W&B project.
        entity: W&B user or team.
        group: W&B group.
        log_checkpoint: also keep the last checkpoint as a W&B artifact.
    """

    mode: str | None = None
    project: str = "memnets"
    entity: str | None = None
    group: str | None = None
    log_checkpoint: bool = False


TRAINER_DEFAULTS = {
    "trainer.max_steps": 10_000,
    "trainer.max_epochs": -1,
    "trainer.val_check_interval": 100,
    "trainer.check_val_every_n_epoch": None,
    "trainer.num_sanity_val_steps": 0,
    "trainer.log_every_n_steps": 10,
    "trainer.gradient_clip_val": 10.0,
    "trainer.enable_model_summary": False,
}
OWN: set[str | int] = {"logger", "default_root_dir", "enable_checkpointing", "enable_progress_bar"}
"""Trainer arguments that the command line sets itself."""


class _ExperimentParser(ArgumentParser):
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UsageError("fit: " + _one_line(message, self.known_keys()))

    def known_keys(self) -> list[str]:
        return [action.dest for action in self._actions if action.dest not in ("help", "config")]


def make_parser() -> ArgumentParser:
    """The parser of an experiment: seed, task, model, optimizer, curriculum, training, wandb, trainer."""
    parser = _ExperimentParser(prog="memnets fit EXPERIMENT", allow_abbrev=False)
    parser.add_argument("--config", action="config", help="a YAML file")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    parser.add_argument("--runs", type=str, default="runs", help="folder of run directories")
    parser.add_argument(
        "--run_id", type=str | None, default=None, help="name of the run directory; by default the time"
    )
    parser.add_argument("--task", type=Task, required=True, help="what to learn, such as memnets_tasks.Copy")
    parser.add_argument("--model", type=nn.Module, required=True, help="what learns it, such as memnets.NTM")
    parser.add_argument("--optimizer", type=Callable[[Iterable], Optimizer], required=True, help="a torch optimizer")
    parser.add_argument("--curriculum", type=Curriculum | None, default=None, help="such as memnets_tasks.Growing")
    parser.add_class_arguments(TrainingOptions, "training")
    parser.add_class_arguments(WandbOptions, "wandb")
    parser.add_class_arguments(pl.Trainer, "trainer", instantiate=False, fail_untyped=False, skip=OWN)
    parser.set_defaults(TRAINER_DEFAULTS)
    for size in ("input_size", "output_size"):
        parser.link_arguments(f"task.{size}", f"model.init_args.{size}", apply_on="instantiate")
    return parser


def parse_experiment(path: Path, overrides: list[str]) -> tuple[ArgumentParser, Namespace]:
    """The parser and the resolved configuration of ``path`` with ``overrides`` on top.

    Raises:
        UsageError: a key is unknown, a value has the wrong type, or the file is not valid.
    """
    parser = make_parser()
    for position, argument in enumerate(overrides):
        if not argument.startswith("-") and (position == 0 or not overrides[position - 1].startswith("-")):
            raise UsageError(f"fit: {argument!r} belongs to no key: settings are written --key value")
    return parser, parser.parse_args(["--config", str(path), *overrides])


def instantiate(parser: ArgumentParser, config: Namespace) -> Namespace:
    """The objects that ``config`` names.

    Raises:
        UsageError: a class refuses a value.
    """
    try:
        return parser.instantiate(config)
    except (ValueError, TypeError) as error:
        raise UsageError(f"fit: {error}") from error


def to_plain(parser: ArgumentParser, config: Namespace) -> dict[str, Any]:
    """The resolved configuration as plain values."""
    import yaml

    return yaml.safe_load(to_yaml(parser, config))


def to_yaml(parser: ArgumentParser, config: Namespace) -> str:
    """The resolved configuration as YAML that ``memnets fit`` takes."""
    return parser.dump(config, skip_unset=False)


def _one_line(message: str, known: list[str]) -> str:
    """The innermost cause in jsonargparse's nested messages, with near misses."""
    option = re.search(r"Option '([\w.]+)' is not accepted", message)
    owner = re.search(r"Parser key \"(\w+)\"", message)
    target = re.search(r"class_path '([\w.]+)'", message)
    if option and owner and target:
        names = _parameters(target[1])
        return f"{target[1]} has no setting {option[1]!r} (--{owner[1]}.{option[1]}){suggest(option[1], names)}"
    unknown = re.search(r"unrecognized arguments: (\S+)", message) or re.search(
        r"[Kk]ey '?\"?([\w.]+)'?\"? is not", message
    )
    if unknown:
        key = unknown[1].lstrip("-").split("=")[0]
        return f"unknown setting --{key}{suggest(key, known)}"
    lines = [line.strip(" -") for line in message.splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith("Expected") and "NoneType" not in line]
    keys = re.findall(r"Parser key \"([\w.]+)\"", message)
    if wrong and keys:
        path = ".".join(dict.fromkeys(keys))
        value = re.search(r"Given value: (.*)", message)
        given = "" if "Got value" in wrong[-1] or not value else f" Got value: {value[1]}"
        return f"--{path}: {wrong[-1].replace('<class ', '').replace('>', '')}{given}"
    return " ".join(lines)


def _parameters(class_path: str) -> list[str]:
    import importlib
    import inspect

    module, _, name = class_path.rpartition(".")
    return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
