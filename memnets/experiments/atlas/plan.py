"""What an atlas compares: memories, tasks, and the protocol that holds for all of them, from one YAML file.

.. code-block:: yaml

    protocol: {state: 512, steps: 3000, seconds: 20}         # see Protocol
    memories:
      LSTM: {class_path: memnets.LSTM, init_args: {hidden_size: 64}, fit: hidden_size}
      Queue: {class_path: my_lab.QueueNet, init_args: {hidden_size: 64}, fit: slots}
    tasks:
      Parity: {class_path: memnets_tasks.ParityCheck, init_args: {max_length: 20}}
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...base.errors import UsageError, suggest
from ..strict_yaml import load_mapping

PARTS = ("protocol", "memories", "tasks")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What is the same for all cells.

    Args:
        state: numbers that a memory may keep from step to step; its sizes are fitted to it.
        tolerance: how far from that it may stay, as a share.
        steps: of one training, at most.
        seconds: of the processor, for one training, at most. Whichever of both is used up first ends it.
        batch_size: sequences a step.
        clip: of the gradient's norm.
        rates: learning rates of Adam to choose from; one alone is taken without a choice.
        choice_seed: of the trainings that choose, which count for nothing else.
        seeds: of the trainings that are reported.
        decay: share of the budget, at its end, over which the rate falls to zero.
        validate_every: steps between validations.
        validation: sequences of a validation.
        multiples: of the longest training length, at which is tested.
        sequences: tested at each.
        embedding: size of a token's embedding, for tasks of tokens.

    Raises:
        UsageError: a number makes no sense.
    """

    state: int = 512
    tolerance: float = 0.1
    steps: int = 3000
    seconds: float = 20.0
    batch_size: int = 32
    clip: float = 1.0
    rates: Sequence[float] = (1e-2, 3e-3, 1e-3)
    choice_seed: int = 0
    seeds: Sequence[int] = (1, 2, 3)
    decay: float = 0.3
    validate_every: int = 50
    validation: int = 128
    multiples: Sequence[int] = (1, 2, 4, 8)
    sequences: int = 256
    embedding: int = 16

    def __post_init__(self):
        for name in ("state", "steps", "batch_size", "validate_every", "validation", "sequences", "embedding"):
            _check(name, getattr(self, name), whole=True)
        for name in ("tolerance", "seconds", "clip", "decay"):
            _check(name, getattr(self, name))
        for name in ("rates", "seeds", "multiples"):
            values = getattr(self, name)
            if not isinstance(values, Sequence) or isinstance(values, str) or not values:
                raise UsageError(f"protocol: {name} is {values!r}, but must be a list such as [1, 2, 3]")
            for value in values:
                _check(name, value, whole=name != "rates", least=0 if name == "seeds" else None)
            object.__setattr__(self, name, tuple(values))
        if self.choice_seed in self.seeds:
            raise UsageError(
                f"protocol: choice_seed {self.choice_seed} is among seeds {list(self.seeds)}: leave it out"
            )


def _check(name: str, value: Any, *, whole: bool = False, least: int | None = None) -> None:
    kinds = (int,) if whole else (int, float)
    bound = (1 if whole else 0) if least is None else least
    fits = isinstance(value, kinds) and not isinstance(value, bool)
    if not fits or not math.isfinite(value) or value < bound or (not whole and value == 0):
        kind = f"a whole number of at least {bound}" if whole else "a number above 0 (write 1e-3 as 1.0e-3)"
        raise UsageError(f"protocol: {name} is {value!r}, but must be {kind}")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A memory or a task of the list.

    Attributes:
        name: what it is called.
        class_path: its class.
        init_args: the class's arguments.
        fit: of a memory, the argument that is fitted to the size of state (``memory.slots`` of a memory within a
            network); None for one that stands beside the others without being of their size.
        stride: of what its values are multiples.
    """

    name: str
    class_path: str
    init_args: Mapping[str, Any]
    fit: str | None = None
    stride: int = 1

    def settings(self) -> dict[str, Any]:
        """As an experiment's file has it."""
        return {"class_path": self.class_path, "init_args": dict(self.init_args)}


class Cell(NamedTuple):
    """A memory on a task."""

    memory: Entry
    task: Entry


@dataclasses.dataclass(frozen=True)
class Atlas:
    """What is compared, and how.

    Attributes:
        path: the file that it was read from.
        protocol: for all.
        memories: in the order of the table's rows.
        tasks: in the order of its columns.
        trusted: whether it may name classes of the user's own; those of memnets, torch and lightning anybody's may.
    """

    path: Path
    protocol: Protocol
    memories: tuple[Entry, ...]
    tasks: tuple[Entry, ...]
    trusted: bool = False

    def cells(self) -> list[Cell]:
        """Every memory on the first task, then on the second, so that there is something to compare early."""
        return [Cell(memory, task) for task in self.tasks for memory in self.memories]

    def only(self, memories: Sequence[str] | None, tasks: Sequence[str] | None) -> "Atlas":
        """The same with these alone, by name and in this order; None for all.

        Raises:
            UsageError: there is none of that name.
        """
        return dataclasses.replace(
            self,
            memories=_pick("memory", self.memories, memories),
            tasks=_pick("task", self.tasks, tasks),
        )


def _pick(what: str, entries: Iterable[Entry], names: Sequence[str] | None) -> tuple[Entry, ...]:
    known = {entry.name: entry for entry in entries}
    for name in names or ():
        if name not in known:
            raise UsageError(f"unknown {what} {name!r}{suggest(name, known)} (one of {', '.join(known)})")
    return tuple(known.values()) if names is None else tuple(known[name] for name in names)


def read_atlas(path: Path, changes: Mapping[str, Any] | None = None) -> Atlas:
    """The atlas of a YAML file.

    Args:
        path: the file.
        changes: settings of the protocol that go before the file's.

    Raises:
        UsageError: the file cannot be read, or something in it is unknown or missing.
    """
    content = load_mapping(path)
    for key in content:
        if key not in PARTS:
            raise UsageError(f"{path}: unknown key {key!r}{suggest(str(key), PARTS)} (it has {', '.join(PARTS)})")
    known = [field.name for field in dataclasses.fields(Protocol)]
    protocol = content.get("protocol") or {}
    if not isinstance(protocol, dict):
        raise UsageError(f"{path}: protocol is {protocol!r}, but must be such as {{state: 512, steps: 3000}}")
    settings = {**protocol, **(changes or {})}
    for key in settings:
        if key not in known:
            raise UsageError(f"{path}: unknown setting {key!r} of the protocol{suggest(str(key), known)}")
    memories = _entries(path, content, "memories", ("class_path", "init_args", "fit", "stride"))
    tasks = _entries(path, content, "tasks", ("class_path", "init_args"))
    try:
        return Atlas(path, Protocol(**settings), memories, tasks)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _entries(path: Path, content: Mapping[str, Any], part: str, keys: Sequence[str]) -> tuple[Entry, ...]:
    named = content.get(part)
    if not isinstance(named, dict) or not named:
        raise UsageError(f"{path}: {part} is {named!r}, but must name at least one, such as Name: {{class_path: ...}}")
    found = []
    for name, settings in named.items():
        if not re.fullmatch(r"[\w+][\w.+ -]*", str(name)):
            raise UsageError(f"{path}: {part}: {name!r} must be made of letters, digits, spaces and . _ + -")
        if not isinstance(settings, dict) or not isinstance(settings.get("class_path"), str):
            raise UsageError(f"{path}: {part}: {name} is {settings!r}, but needs a class_path")
        for key in settings:
            if key not in keys:
                raise UsageError(f"{path}: {part}: {name} has an unknown key {key!r}{suggest(str(key), keys)}")
        arguments, fit, stride = settings.get("init_args") or {}, settings.get("fit"), settings.get("stride", 1)
        for key, value, fits, wanted in (
            ("init_args", arguments, isinstance(arguments, dict), "a mapping of arguments"),
            ("fit", fit, fit is None or isinstance(fit, str), "the name of an argument"),
            ("stride", stride, type(stride) is int and stride > 0, "a whole number of at least 1"),
        ):
            if not fits:
                raise UsageError(f"{path}: {part}: {name} has {key} {value!r}, but it must be {wanted}")
        found.append(Entry(str(name), settings["class_path"], arguments, fit, stride))
    return tuple(found)
