"""Settings as they were given, in a file and on the command line, and what of them cannot be had."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from jsonargparse import ArgumentParser
from lightning.pytorch import Callback
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..base.errors import UsageError
from ..base.task import Curriculum, Task
from .class_paths import find_class
from .messages import one_line
from .trust import is_ours

PARTS = ("task", "model", "optimizer", "lr_scheduler", "curriculum")
"""Settings that name a class."""

BASES: dict[str, tuple[type, str]] = {
    "task": (Task, "memnets_tasks.Task"),
    "model": (nn.Module, "torch.nn.Module"),
    "optimizer": (Optimizer, "torch.optim.Optimizer"),
    "lr_scheduler": (LRScheduler, "torch.optim.lr_scheduler.LRScheduler"),
    "curriculum": (Curriculum, "memnets_tasks.Curriculum"),
    "trainer.callbacks": (Callback, "lightning.pytorch.Callback"),
}
"""What the classes of settings derive from, and where users import that from."""


class Given:
    """Plain settings of a file, and what the command line sets on top.

    Args:
        content: of the file.
        overrides: as on the command line.
        trusted: whether classes of the user's own may be looked up.
    """

    def __init__(self, content: dict[str, Any], overrides: Sequence[str], trusted: bool):
        self.content, self.overrides, self.trusted = content, list(overrides), trusted

    def class_of(self, part: str) -> str | None:
        """The class path of a part, such as "model"."""
        settings = self.content.get(part)
        class_path = settings.get("class_path") if isinstance(settings, dict) else settings
        for position, word in enumerate(self.overrides):
            for option in (f"--{part}", f"--{part}.class_path"):
                if word == option and position + 1 < len(self.overrides):
                    class_path = self.overrides[position + 1]
                class_path = word.removeprefix(f"{option}=") if word.startswith(f"{option}=") else class_path
        return class_path if isinstance(class_path, str) else None

    def explain(self, message: str, parser: ArgumentParser) -> str:
        """One line; first of all, whether a value is missing, or a class that is named cannot be had."""
        keys = self.known_keys(parser)
        for word, after in itertools.pairwise([*self.overrides, "--"]):
            if word.removeprefix("--") in keys and after.startswith("--"):
                return f"{word} has no value behind it"
        return self.find_missing() or one_line(message, self.overrides, keys)

    def find_missing(self) -> str | None:
        """Why a class that is named cannot be had or does not fit; None where what is refused is something else."""
        for key, class_path in self.classes():
            if not (self.trusted or is_ours(class_path)):
                continue
            if class_path.isprintable() and "." in class_path and not class_path.startswith(("{", "[")):
                try:
                    unfit = _unfit(key, find_class(class_path))
                except UsageError as error:
                    return f"{key}: {error}"
                if unfit:
                    return f"--{key}: {class_path} {unfit}"
        return None

    def classes(self) -> Iterator[tuple[str, str]]:
        """The class paths of parts, callbacks and loggers, each with its key."""
        for part in PARTS:
            if class_path := self.class_of(part):
                yield part, class_path
        trainer = self.content.get("trainer")
        lists = {
            "trainer.callbacks": trainer.get("callbacks") if isinstance(trainer, dict) else None,
            "loggers": self.content.get("loggers"),
        }
        for key, in_file in lists.items():
            for item in [*_as_items(in_file), *self._on_command_line(key)]:
                class_path = item.get("class_path") if isinstance(item, dict) else item
                if isinstance(class_path, str):
                    yield key, class_path

    def _on_command_line(self, key: str) -> Iterator[Any]:
        """What ``--key value`` and ``--key+=value`` give."""
        for word, after in itertools.pairwise([*self.overrides, ""]):
            name, equals, value = word.partition("=")
            if name in (f"--{key}", f"--{key}+"):
                yield from _as_items(_read_value(value if equals else after))

    def known_keys(self, parser: ArgumentParser) -> list[str]:
        """Every setting there is, those of the classes that are named included."""
        keys = [action.dest for action in parser._actions if not action.dest.endswith(("help", "config"))]
        for key, class_path in self.classes():
            keys += [f"{key}.{name}" for name in parameters_of(class_path)]
        return keys


def _unfit(key: str, kind: Any) -> str | None:
    """What a class is not or lacks, to be that of a setting; of functions that make one, nothing is known."""
    base, name = BASES.get(key, (object, ""))
    if not isinstance(kind, type):
        return None
    if not issubclass(kind, base):
        return f"is no {name}: derive it"
    undefined = sorted(getattr(kind, "__abstractmethods__", ()))
    return f"lacks {' and '.join(undefined)}: define them" if undefined else None


def _as_items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _read_value(word: str) -> Any:
    """What a value on the command line is; nothing where it is no YAML, which is said elsewhere."""
    import yaml

    try:
        return yaml.safe_load(word)
    except (yaml.YAMLError, ValueError, RecursionError):  # such as the 99th month
        return None


def parameters_of(class_path: str | None) -> list[str]:
    """The arguments of a class, if it can be found."""
    from jsonargparse._parameter_resolvers import get_signature_parameters

    try:
        return [parameter.name for parameter in get_signature_parameters(find_class(class_path or ""), None)]
    except (UsageError, ValueError, TypeError):
        return []
