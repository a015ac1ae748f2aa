"""A sweep's plan: from experiments, a grid of settings and seeds to the list of its trials."""

import dataclasses
import difflib
import itertools
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

RESERVED = {
    "seed": "use --seeds, or seeds in the file",
    "runs": "a sweep's runs are in its own directory, see --sweeps",
    "run_id": "the plan names each run",
    "experiment": "the plan names each experiment",
    "config": "name the experiment or its file instead",
}
"""Settings that the sweep makes itself, and what to do instead."""
SECTIONS = ("task", "model", "optimizer", "lr_scheduler", "curriculum", "training", "wandb", "trainer")
"""Where an experiment's settings stand."""
SENT = ("wandb.mode", "wandb.entity")
"""Settings that say where numbers go, which may change while a sweep goes on."""
MOST_SEEDS = 100_000
"""In one sweep; more are a slip of the finger, and make lists that fill the memory."""
FOLDERS = ("configs", "figures", "ray")
"""What a sweep's directory holds beside the trials."""


class PlanError(ValueError):
    """A sweep is asked for that cannot be; the message says what and the way out, in one line."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run of a sweep.

    Attributes:
        experiment: its name.
        point: the grid's settings, as on the command line.
        settings: all settings, those of the grid included.
        seed: of weights and batches.
    """

    experiment: str
    point: Mapping[str, str]
    settings: Mapping[str, str]
    seed: int

    @property
    def group(self) -> str:
        """The directory of its seeds within the sweep's: ``copy-ntm`` or ``copy-ntm/model.hidden_size=64``."""
        return "/".join([self.experiment, *([folder_name(self.point)] if self.point else [])])

    @property
    def name(self) -> str:
        """Its directory within the sweep's, such as ``copy-ntm/model.hidden_size=64/seed0``."""
        return f"{self.group}/seed{self.seed}"

    @property
    def arguments(self) -> list[str]:
        """All settings as ``memnets fit`` takes them, but for the seed; a class comes before its own settings."""
        pairs = sorted(self.settings.items(), key=lambda pair: pair[0].count("."))
        return [
            word
            for key, value in pairs
            for word in ([f"--{key}={value}"] if value.startswith("-") else [f"--{key}", value])
        ]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a sweep runs: every experiment with every combination of the grid's values and every seed.

    Args:
        name: of the sweep, and of its directory.
        experiments: each experiment's name with settings of its own, which go before ``settings``.
        seeds: of each combination.
        grid: values to combine, by setting.
        settings: the same for every trial.

    Raises:
        PlanError: there is nothing to run, something is named twice, or a setting is the sweep's own.
    """

    name: str
    experiments: Mapping[str, Mapping[str, str]]
    seeds: Sequence[int] = (0,)
    grid: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_name("name", self.name)
        if not self.experiments:
            raise PlanError("name at least one experiment (see `memnets list`)")
        for experiment in self.experiments:
            check_name("experiment", experiment)
            if experiment in FOLDERS:
                raise PlanError(f"an experiment cannot be called {experiment!r} in a sweep: rename its file")
        if not self.seeds:
            raise PlanError("seeds is empty, but needs at least one, such as 0..4")
        _refuse_twice("seed", self.seeds)
        for key, values in self.grid.items():
            if not values:
                raise PlanError(f"grid: {key} has no values")
            _refuse_twice(f"grid: {key}", values)
        for where, keys in self._places().items():
            for key in keys:
                _check_key(where, key)
                if where != "grid" and key in self.grid:
                    raise PlanError(f"{key} is both in the grid and in {where}: leave one out")

    def _places(self) -> dict[str, Mapping[str, Any]]:
        own = {f"the settings of {name}": settings for name, settings in self.experiments.items()}
        return {"grid": self.grid, "the settings": self.settings, **own}

    def trials(self) -> list[Trial]:
        """Every trial; all of the first seed come first, so that there is something to compare early."""
        points = [dict(zip(self.grid, values)) for values in itertools.product(*self.grid.values())]
        return [
            Trial(experiment, point, {**self.settings, **own, **point}, seed)
            for seed in self.seeds
            for experiment, own in self.experiments.items()
            for point in points
        ]

    def check_extends(self, old: "Plan") -> None:
        """Refuse a plan that would leave out or change a trial of ``old``, which its directory holds.

        Raises:
            PlanError: naming the first such trial.
        """
        new = {trial.name: trial for trial in self.trials()}
        for trial in old.trials():
            if trial.name not in new:
                raise PlanError(
                    f"the sweep {self.name} was begun with another plan, and this one leaves out {trial.name}: give "
                    "all that it has and what is to be added, or another --name"
                )
            changed = sorted(set(trial.settings.items()) ^ set(new[trial.name].settings.items()))
            changed = [(key, value) for key, value in changed if key not in SENT]
            if changed:
                raise PlanError(
                    f"the sweep {self.name} was begun with other settings ({changed[0][0]}): go on with those, or give "
                    "another --name"
                )


def parse_seeds(text: str | int) -> tuple[int, ...]:
    """Seeds from such as ``0..9`` (both included), ``0,3,5..7`` or ``4``.

    Raises:
        PlanError: it is something else, a range has no seeds, or there are too many, or too large ones.
    """
    seeds: list[int] = []
    for part in str(text).split(","):
        match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", part.strip())
        if not match:
            raise PlanError(f"seeds are {str(text)!r}, but must be whole numbers from 0 on, such as 0..9 or 0,3,5..7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise PlanError(f"seeds {part.strip()} run backwards: write {last}..{first}")
        if last >= 2**63:
            raise PlanError(f"seed {last} is too large: seeds are whole numbers below 2^63")
        if len(seeds) + last - first >= MOST_SEEDS:
            raise PlanError(f"seeds are {str(text)!r}, more than {MOST_SEEDS:,}: take fewer")
        seeds += range(first, last + 1)
    return tuple(seeds)


def show_seeds(seeds: Sequence[int]) -> str:
    """The inverse of :func:`parse_seeds`."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(f"{run[0]}..{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def split_values(text: str) -> tuple[str, ...]:
    """The values of ``64,100`` or ``[3,6],[4,8]``: split at the commas outside brackets, braces and quotes."""
    values, depth, quote, start = [], 0, "", 0
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "," and not depth:
            values.append(text[start:at].strip())
            start = at + 1
        else:
            depth += (character in "[{(") - (character in "]})")
    return (*values, text[start:].strip())


def folder_name(point: Mapping[str, str]) -> str:
    """``key=value,key=value`` in characters that any file system takes; different for different points."""
    name = ",".join(f"{key}={value}" for key, value in point.items())
    safe = re.sub(r"[^\w.=,+-]", "-", name, flags=re.ASCII)
    return (
        safe
        if safe == name and len(safe) <= 120
        else f"{safe[:110]}-{zlib.crc32(name.encode(errors='backslashreplace')):08x}"
    )


def check_name(what: str, name: str) -> None:
    """Refuse a name that is not one folder's.

    Raises:
        PlanError: it is not.
    """
    if not re.fullmatch(r"[\w+][\w.+-]*", name, flags=re.ASCII):
        raise PlanError(f"{what} is {name!r}, but must be made of letters, digits and . _ + - (it names a folder)")


def _check_key(where: str, key: str) -> None:
    if key.split(".")[0] in RESERVED:
        raise PlanError(f"{key} in {where} is set by the sweep: {RESERVED[key.split('.')[0]]}")
    if key.endswith("+"):
        raise PlanError(f"{key!r} in {where} adds to a list, which a sweep gives whole: --{key[:-1]} '[...]'")
    if key.split(".")[0] not in SECTIONS or not re.fullmatch(r"\w+(\.\w+)*", key):
        near = difflib.get_close_matches(key.split(".")[0], SECTIONS, n=1, cutoff=0.5)
        hint = f"; did you mean {'.'.join([near[0], *key.split('.')[1:]])}?" if near else ""
        raise PlanError(f"unknown setting {key!r} in {where}{hint} (it starts with one of {', '.join(SECTIONS)})")


def _refuse_twice(what: str, values: Sequence[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise PlanError(f"{what} {value} is named twice")
        seen.add(value)
