"""An experiment's keys: a YAML file and ``--key value`` on top of it, checked before anything starts.

jsonargparse, which LightningCLI is made of, is used directly: an experiment here has a task, a model and an
optimiser side by side, of which the learner is made, where LightningCLI has one module and one data module.
"""

import copy
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
from jsonargparse import ArgumentParser, Namespace
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..base.errors import UsageError
from ..base.task import Curriculum, Task
from .class_paths import check_classes, find_class, importing, move_old
from .given import Given, parameters_of
from .messages import without_union
from .options import TrainingOptions, WandbOptions
from .strict_yaml import load_mapping
from .trust import LOGGERS

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


class _ExperimentParser(ArgumentParser):
    """Says what is wrong in one line, as :class:`UsageError`."""

    source: Given | None = None
    """What is parsed; None in the parsers that jsonargparse makes for nested classes."""
    given: Mapping[str, Any] = {}
    """The model's arguments as they were written, among them the size of an embedding."""
    trusted = False
    """Whether classes of the user's own may be named."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if self.source is None:
            super().error(message, ex)
        raise UsageError(self.source.explain(message, self))


def describe_class(class_path: str, arguments: Namespace | None) -> list[tuple[str, str]]:
    """Each argument of a class that an experiment can set, with its value there and what it is."""
    from jsonargparse._parameter_resolvers import get_signature_parameters

    found = []
    for parameter in get_signature_parameters(find_class(class_path), None):
        made_for = class_path.startswith("torch.optim.") and parameter.name in ("params", "optimizer")
        if parameter.name not in LINKED and not made_for:
            default = None if parameter.default is inspect.Parameter.empty else parameter.default
            value = (arguments or Namespace()).get(parameter.name, default)
            words = re.sub(r":\w+:`[~.]?([^`]+)`", r"\1", " ".join((parameter.doc or "").split()))
            meaning = f": {words}" if words else ""
            found.append((parameter.name, f"{value}{meaning}"))
    return found


def make_parser() -> _ExperimentParser:
    """The parser of an experiment: seed, task, model, optimizer, curriculum, training, loggers, wandb, trainer."""
    parser = _ExperimentParser(prog="memnets fit EXPERIMENT", allow_abbrev=False)
    parser.add_argument("--config", action="config", help="a YAML file")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    parser.add_argument("--experiment", type=str | None, default=None, help="its name; by default that of the file")
    parser.add_argument("--runs", type=str, default="runs", help="folder of run directories")
    parser.add_argument(
        "--run_id", type=str | None, default=None, help="name of the run directory; by default the time"
    )
    parser.add_argument(
        "--init_from",
        type=str | None,
        default=None,
        help="a run directory, a checkpoint in one, or a save_pretrained folder: start from its weights where they fit",
    )
    parser.add_argument("--task", type=Task, required=True, help="what to learn, such as memnets_tasks.Copy")
    parser.add_argument("--model", type=nn.Module, required=True, help="what learns it, such as memnets.NTM")
    parser.add_argument("--optimizer", type=Callable[[Iterable], Optimizer], required=True, help="a torch optimizer")
    parser.add_argument(
        "--lr_scheduler",
        type=Callable[[Optimizer], LRScheduler] | None,
        default=None,
        help="such as torch.optim.lr_scheduler.CosineAnnealingLR: a step with each of the optimiser's",
    )
    parser.add_argument("--curriculum", type=Curriculum | None, default=None, help="such as memnets_tasks.Growing")
    parser.add_class_arguments(TrainingOptions, "training")
    parser.add_argument(
        "--loggers", type=list[Any], default=list(LOGGERS), help="classes of Lightning loggers, with their init_args"
    )
    parser.add_class_arguments(WandbOptions, "wandb")
    parser.add_class_arguments(pl.Trainer, "trainer", instantiate=False, fail_untyped=False, skip=OWN)
    parser.set_defaults(TRAINER_DEFAULTS)
    _link(parser)
    return parser


def _make_reading_parser() -> _ExperimentParser:
    """The parser of what a trained model is used with: its task and itself, and nothing that trains."""
    parser = _ExperimentParser(prog="memnets", allow_abbrev=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task", type=Task, required=True)
    parser.add_argument("--model", type=nn.Module, required=True)
    _link(parser)
    return parser


def _link(parser: _ExperimentParser) -> None:
    for name in LINKED:

        def link(of_task: Any, name: str = name) -> Any:  # of tokens, a task has no input_size: they are embedded
            return parser.given.get(name) if of_task is None else of_task

        parser.link_arguments(f"task.{name}", f"model.init_args.{name}", apply_on="instantiate", compute_fn=link)


def parse_experiment(
    path: Path, overrides: Sequence[str] = (), defaults: dict[str, Any] | None = None, *, trusted: bool = True
) -> tuple[ArgumentParser, Namespace]:
    """The parser and the resolved configuration of ``path``, ``defaults`` below it and ``overrides`` on top.

    Args:
        path: a YAML file.
        overrides: ``--key value``, as on the command line.
        defaults: settings below the file's.
        trusted: whether classes of the user's own may be named.

    Raises:
        UsageError: a key is unknown, a value has the wrong type, or the file is not valid.
    """
    overrides = list(overrides)
    for position, argument in enumerate(overrides):
        if not argument.startswith("-") and (position == 0 or not overrides[position - 1].startswith("-")):
            raise UsageError(f"{argument!r} belongs to no key: settings are written --key value")
        if argument.split("=")[0] in [f"--model.{name}" for name in LINKED]:
            raise UsageError(f"{argument} cannot be set: the task says it")
        if argument.startswith("--loggers."):
            raise UsageError(
                f"{argument} belongs to no logger: write --loggers+='{{class_path: ..., init_args: {{...}}}}'"
            )
    parser = make_parser()
    parser.set_defaults(defaults or {})
    return parser, _parse(parser, move_old(load_mapping(path)), overrides, trusted, path)


def parse_reading(path: Path, *, trusted: bool = True) -> tuple[ArgumentParser, Namespace]:
    """The same for using what was trained: of the file its seed, task and model alone.

    Raises:
        UsageError: as :func:`parse_experiment`.
    """
    content = move_old(load_mapping(path))
    parser = _make_reading_parser()
    return parser, _parse(parser, {k: content[k] for k in ("seed", "task", "model") if k in content}, [], trusted, path)


def parse_task(path: Path, *, trusted: bool = True) -> Any:
    """The task alone of a run's configuration, made.

    Raises:
        UsageError: as :func:`parse_experiment`, or the task refuses a setting.
    """
    content = {key: value for key, value in move_old(load_mapping(path)).items() if key == "task"}
    return make_task(content, trusted=trusted, path=path)


def make_task(
    content: dict[str, Any], overrides: Sequence[str] = (), *, trusted: bool = True, path: Path = Path("task")
) -> Any:
    """The task of plain settings such as ``{"task": {"class_path": ...}}``, made.

    Args:
        content: the settings.
        overrides: ``--task.key value``, as on the command line.
        trusted: whether classes of the user's own may be named.
        path: the file that the settings are from; modules beside it are found.

    Raises:
        UsageError: as :func:`parse_experiment`, or the task refuses a setting.
    """
    parser = _ExperimentParser(prog="memnets", allow_abbrev=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--task", type=Task, required=True)
    config = _parse(parser, content, list(overrides), trusted, path)
    try:
        with importing(trusted):
            return parser.instantiate(config).task
    except (ValueError, TypeError) as error:
        raise UsageError(without_union(str(error)).strip()) from error


def make_task_and_model(content: dict[str, Any], *, trusted: bool, path: Path) -> tuple[Any, Any]:
    """The task and the model of plain settings, made; the model's sizes are the task's.

    Args:
        content: ``{"task": {"class_path": ...}, "model": {...}}``.
        trusted: whether classes of the user's own may be named.
        path: the file that the settings are from; modules beside it are found.

    Raises:
        UsageError: as :func:`parse_experiment`, or a class refuses a setting.
    """
    parser = _make_reading_parser()
    objects = instantiate(parser, _parse(parser, content, [], trusted, path))
    return objects.task, objects.model


def _parse(
    parser: _ExperimentParser, content: dict[str, Any], overrides: list[str], trusted: bool, path: Path
) -> Namespace:
    import yaml

    if content.pop("config", None) is not None:
        raise UsageError(f"{path} names another file by config: put its settings here")
    _check_groups(content, path)
    parser.source, parser.trusted = Given(content, overrides, trusted), trusted
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    with importing(trusted, path.absolute().parent):
        config = _parse_args(parser, ["--config", text, *overrides])
        check_classes(config, trusted)
        optimizer = config.get("optimizer")
        if optimizer is not None and not issubclass(find_class(optimizer.class_path), Optimizer):
            raise UsageError(f"optimizer: {optimizer.class_path} is no Optimizer")
        _place_paths(config, path.absolute().parent)
    config.pop("config", None)
    return config


def _check_groups(content: dict[str, Any], path: Path) -> None:
    """What holds settings alone, such as ``trainer``, must; with nothing after its colon it is left out."""
    for group in ("training", "wandb", "trainer"):
        if content.get(group) is None:
            content.pop(group, None)
        elif not isinstance(content[group], dict):
            raise UsageError(f"{path}: {group} is {content[group]!r}, but must hold settings: give it name: value")


def _place_paths(config: Namespace, beside: Path) -> None:
    """Make absolute what names files of the task (``Task.path_arguments``), so that a run can be used from anywhere.

    What is not in the working directory is looked for beside the file that is read.
    """
    task: Any = config.get("task")
    arguments = task.get("init_args") if task else None
    if not arguments:
        return
    for name in getattr(find_class(task.class_path), "path_arguments", ()):
        value = arguments.get(name)
        if isinstance(value, str):
            arguments[name] = _placed(value, beside)
        elif isinstance(value, list):
            arguments[name] = [_placed(each, beside) for each in value]


def _placed(name: str, beside: Path) -> str:
    for folder in (Path.cwd(), beside):
        if not Path(name).is_absolute() and not name.startswith("~") and (folder / name).exists():
            return str(folder / name)
    return name


def _parse_args(parser: _ExperimentParser, words: list[str]) -> Namespace:
    """jsonargparse's result; what it lets through of the errors of a user's own modules is explained as well."""
    try:
        return parser.parse_args(words)
    except UsageError:
        raise
    except (SyntaxError, RecursionError, SystemExit) as error:
        if isinstance(error, SystemExit) and not error.code:
            raise  # help was asked for
        parser.error(str(error))
    except Exception as error:  # whatever a user's module raises while it is imported
        missing = parser.source.find_missing() if parser.source else None
        if missing is None and isinstance(error, ValueError):  # of YAML, such as a date in the 99th month
            missing = f"a setting cannot be read: {' '.join(str(error).split())}"
        if missing is None:
            raise
        raise UsageError(missing) from error


def instantiate(parser: ArgumentParser, config: Namespace) -> Namespace:
    """The objects that ``config`` names.

    Raises:
        UsageError: a class refuses a value, or there is no room for what it makes.
    """
    complete = copy.deepcopy(config)
    _make_room_for_links(complete)
    setattr(parser, "given", dict(complete.model.init_args.as_dict()))  # noqa: B010 - for the links
    try:
        with importing(getattr(parser, "trusted", False)):
            return parser.instantiate(complete)
    except (ValueError, TypeError) as error:
        raise UsageError(without_union(str(error)).strip()) from error
    except (RuntimeError, MemoryError, OverflowError) as error:
        if not _is_of_sizes(error):
            raise
        raise UsageError(f"what the settings ask for has no room: {' '.join(str(error).split())[:200]}") from error


def _is_of_sizes(error: Exception) -> bool:
    """Whether it is torch's or Python's answer to a size that nothing can have."""
    words = ("alloc", "out of memory", "overflow", "Storage size", "invalid shape", "exceeds")
    return isinstance(error, MemoryError | OverflowError) or any(word in str(error) for word in words)


def _make_room_for_links(config: Namespace) -> None:
    """Options that a class hands on (``**options: Unpack[...]``) are linked only where they stand already."""
    arguments = config.model.get("init_args") or Namespace()
    for name in linked(config.model.class_path):
        if name not in arguments:
            arguments[name] = None
    config.model.init_args = arguments


def linked(class_path: str) -> set[str]:
    """The arguments of a model's class that its task says."""
    return set(parameters_of(class_path)) & set(LINKED)


def resolve_defaults(config: Namespace, model: Any) -> None:
    """Put those arguments of the model that were left at their defaults into ``config``."""
    recorded = getattr(model, "config", None)
    arguments = config.model.get("init_args")
    if isinstance(recorded, dict) and arguments is not None:
        for name in parameters_of(config.model.class_path):
            if name in recorded and name not in arguments and name not in LINKED and recorded[name] != "given":
                arguments[name] = recorded[name]


def to_plain(parser: ArgumentParser, config: Namespace) -> dict[str, Any]:
    """The resolved configuration as plain values."""
    import yaml

    return yaml.safe_load(to_yaml(parser, config))


def to_yaml(parser: ArgumentParser, config: Namespace) -> str:
    """The resolved configuration as YAML that ``memnets fit`` takes."""
    import yaml

    with importing(getattr(parser, "trusted", False)):
        try:
            text = parser.dump(config, skip_unset=False)
        except Exception as error:
            reason = next((line for line in str(error).splitlines() if "cannot represent" in line), str(error))
            raise UsageError(f"the settings cannot be written to config.yaml: {reason.strip(' -')}") from error
    embedded = (config.get("model.init_args") or {}).get("input_size")
    if embedded is None:
        return text
    plain = yaml.safe_load(text)  # arguments that are linked are left out of it
    plain["model"]["init_args"]["input_size"] = embedded
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
