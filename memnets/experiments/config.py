"""An experiment's keys: a YAML file and ``--key value`` on top of it, checked before anything starts.

jsonargparse, which LightningCLI is made of, is used directly: an experiment here has a task, a model and an
optimiser side by side, of which the learner is made, where LightningCLI has one module and one data module.
"""

import dataclasses
import inspect
import itertools
import pkgutil
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
from jsonargparse import ArgumentParser, Namespace
from torch import nn
from torch.optim import Optimizer

from ..base.errors import UsageError, suggest
from ..base.task import Curriculum, Task


@dataclasses.dataclass
class TrainingOptions:
    """How to train.

    Args:
        batch_size: sequences a step.
        validation_size: fresh sequences at each validation.
        checks: validations in a row below the threshold that make a run solved.
        threshold: errors per sequence; the task's own by default.
        anneal_steps: steps after that, over which the learning rate falls to zero.
        anneal_below: errors per sequence below which, as many times in a row, annealing begins; null for the threshold.
        collapse_rise: errors per sequence above the best that, at three validations in a row, take training back to its
            best weights at half the rate, and so does a run that would end as diverged; null for never.
        spike_clip: clip the gradient's norm at this many times the median of the last 100; null for not.
        spike_floor: but never below this norm, so that rare mistakes can still be learnt from.
        skip_nonfinite: steps in a row that may be left out as their gradient is NaN or Inf; one more ends the run.
        min_slots: train each step on a number of slots drawn from this to the model's own; null for the latter. Without
            effect on a model that has no memory, or no more slots.
        evaluation_sequences: sequences of each length in the table at the end.
        pictures_every: validations between pictures of the memory; 0 for none.
    """

    batch_size: int = 16
    validation_size: int = 256
    checks: int = 3
    threshold: float | None = None
    anneal_steps: int = 0
    anneal_below: float | None = None
    collapse_rise: float | None = None
    spike_clip: float | None = None
    spike_floor: float = 0.0
    skip_nonfinite: int = 0
    min_slots: int | None = None
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
    "trainer.devices": 1,
    "trainer.max_steps": 10_000,
    "trainer.max_epochs": -1,
    "trainer.val_check_interval": 100,
    "trainer.check_val_every_n_epoch": None,
    "trainer.num_sanity_val_steps": 0,
    "trainer.log_every_n_steps": 10,
    "trainer.gradient_clip_val": 10.0,
    "trainer.enable_model_summary": False,
}
OWN: set[str | int] = {
    *("logger", "default_root_dir", "enable_checkpointing", "enable_progress_bar"),
    *("fast_dev_run", "barebones", "limit_val_batches", "reload_dataloaders_every_n_epochs"),
}
"""Trainer arguments that the command line sets itself, or that would leave a run without its checks."""


LINKED = ("input_size", "output_size", "charset", "vocabulary")
"""Arguments of a model, where it has them, that are taken from the task, where that has them."""


BASES = {"Task": "memnets_tasks.Task", "Curriculum": "memnets_tasks.Curriculum", "Module": "torch.nn.Module"}
"""What to derive one's own classes from, by the name of the class that is asked for."""


class _ExperimentParser(ArgumentParser):
    """Turns jsonargparse's nested messages into one line, with the names nearest to what was written."""

    written: tuple[Path, list[str]] | None = None
    """The file and the command line; None in the parsers that jsonargparse makes for nested classes."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if self.written is None:
            super().error(message, ex)
        raise UsageError("fit: " + self.one_line(message, *self.written))

    def one_line(self, message: str, path: Path, overrides: list[str]) -> str:
        whole, message = message, _without_union(message)
        lines = [line.strip(" -") for line in message.splitlines() if line.strip()]
        keys = list(dict.fromkeys(re.findall(r"Parser key \"([\w.]+)\":", message)))
        refused = re.search(r"Option '([\w.]+)' is not accepted|unrecognized arguments: --([\w.]+)", message)
        if refused:
            owner = "" if refused[2] else "".join(f"{key}." for key in keys[:1])
            key = owner + (refused[1] or refused[2])
            return f"unknown setting {key!r}{suggest(key, self.known_keys(path, overrides))}"
        expected = re.findall(r"Expected a <class '[^']*'>\. Got value: [^\n]*", message)
        if keys and expected:
            kind = re.sub(r"<class '([\w.]+)'>", r"\1", expected[0])
            return f"--{'.'.join(keys)}: {kind[0].lower()}{kind[1:]}".replace(" a int.", " an int.")
        foreign = re.search(r"does not correspond to a subclass of (\w+)", message)
        if keys and foreign:
            named = re.search(r"Import path ([\w.]+) does|Given value: ([\w.]+)", whole)
            base = BASES.get(foreign[1], foreign[1])
            return f"--{'.'.join(keys)}: {(named[1] or named[2]) if named else 'what is given'} is no {base}: derive it"
        abstract = re.search(r"Expected an instantiatable class, but ([\w.]+) is abstract", message)
        if keys and abstract:
            return f"--{'.'.join(keys)}: {abstract[1]} lacks {' and '.join(_undefined(abstract[1]))}: define them"
        choices = re.search(r"Expected a typing\.Literal\[(.*?)\]\. Got value: ([^\n]*)", message)
        if keys and choices:
            return f"--{'.'.join(keys)} is {choices[2]!r}, but must be one of {choices[1]}"
        given = re.findall(r"Given value: (.*?)(?:\. Got value|\n|$)", message)
        wrong = [key for key, value in itertools.pairwise(overrides) if value in given and key.startswith("--")]
        if wrong and given:
            return f"{wrong[0]}: {given[0]!r} is not a value of the right type"
        return " ".join(lines)

    def known_keys(self, path: Path, overrides: list[str]) -> list[str]:
        """Every setting there is, those of the classes named in the file and on the command line included."""
        import yaml

        keys = [action.dest for action in self._actions if not action.dest.endswith(("help", "config"))]
        content = yaml.safe_load(path.read_text())
        for owner in ("task", "model", "optimizer", "curriculum"):
            part = content.get(owner) if isinstance(content, dict) else None
            class_path = part.get("class_path") if isinstance(part, dict) else None
            if f"--{owner}" in overrides[:-1]:
                class_path = overrides[overrides.index(f"--{owner}") + 1]
            keys += [f"{owner}.{name}" for name in _parameters(class_path)]
        return keys


def _without_union(message: str) -> str:
    """What a class itself says, where jsonargparse adds the null that it might have been instead."""
    other = "Expected a <class 'NoneType'>"
    head, _, rest = message.partition("Does not validate against any of the Union subtypes")
    if other not in rest:
        return message
    reasons = rest.partition("Errors:")[2].partition("Given value type:")[0].splitlines()
    own = dict.fromkeys(reason.strip(" -") for reason in reasons if other not in reason)
    given = rest.partition("Given value: ")[2].strip()
    said = [
        f"{reason}. Got value: {given}" if re.fullmatch(r"Expected a <class '[^']*'>", reason) else reason
        for reason in own
    ]
    return head + "\n".join(said) if any(said) else message


def _undefined(class_path: str) -> list[str]:
    """The methods that an abstract class leaves to be defined."""
    return sorted(pkgutil.resolve_name(class_path).__abstractmethods__)


def _parameters(class_path: str | None) -> list[str]:
    """The arguments of a class, if it can be found."""
    try:
        return list(inspect.signature(pkgutil.resolve_name(class_path or "")).parameters)
    except (ImportError, AttributeError, ValueError):
        return []


def make_parser() -> _ExperimentParser:
    """The parser of an experiment: seed, task, model, optimizer, curriculum, training, wandb, trainer."""
    parser = _ExperimentParser(prog="memnets fit EXPERIMENT", allow_abbrev=False)
    parser.add_argument("--config", action="config", help="a YAML file")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    parser.add_argument("--experiment", type=str | None, default=None, help="its name; by default that of the file")
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
    for name in LINKED:
        parser.link_arguments(f"task.{name}", f"model.init_args.{name}", apply_on="instantiate")
    return parser


def parse_experiment(
    path: Path, overrides: list[str], defaults: dict[str, Any] | None = None
) -> tuple[ArgumentParser, Namespace]:
    """The parser and the resolved configuration of ``path``, ``defaults`` below it and ``overrides`` on top.

    Raises:
        UsageError: a key is unknown, a value has the wrong type, or the file is not valid.
    """
    parser = make_parser()
    parser.set_defaults(defaults or {})
    parser.written = (path, overrides)
    for position, argument in enumerate(overrides):
        if not argument.startswith("-") and (position == 0 or not overrides[position - 1].startswith("-")):
            raise UsageError(f"fit: {argument!r} belongs to no key: settings are written --key value")
        if argument.split("=")[0] in [f"--model.{name}" for name in LINKED]:
            raise UsageError(f"fit: {argument} cannot be set: the task says it")
    try:
        return parser, parser.parse_args(["--config", str(path), *overrides])
    except UnicodeDecodeError as error:
        raise UsageError(f"fit: {path} is not a text file: {error.reason}") from error


def instantiate(parser: ArgumentParser, config: Namespace) -> Namespace:
    """The objects that ``config`` names.

    Raises:
        UsageError: a class refuses a value.
    """
    try:
        return parser.instantiate(config)
    except (ValueError, TypeError) as error:
        raise UsageError(f"fit: {_without_union(str(error)).strip()}") from error


def to_plain(parser: ArgumentParser, config: Namespace) -> dict[str, Any]:
    """The resolved configuration as plain values."""
    import yaml

    return yaml.safe_load(to_yaml(parser, config))


def to_yaml(parser: ArgumentParser, config: Namespace) -> str:
    """The resolved configuration as YAML that ``memnets fit`` takes."""
    return parser.dump(config, skip_unset=False)
