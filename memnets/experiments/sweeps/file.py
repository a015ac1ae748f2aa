"""The YAML form of a plan.

.. code-block:: yaml

    experiments: [copy-ntm, copy-lstm]      # or, with settings of their own: {copy-ntm: {}, copy-lstm: {key: value}}
    seeds: 0..9                             # or 0,3,5..7, or a list
    grid: {model.hidden_size: [64, 100]}    # every combination
    settings: {trainer.max_steps: 2000}     # the same for all
    name: sizes                             # by default the file's
"""

import difflib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ...base.errors import UsageError
from ..strict_yaml import load_yaml
from .plan import Plan, PlanError, parse_seeds, show_seeds

KEYS = ("experiments", "seeds", "grid", "settings", "name")


def is_plan(path: Path) -> bool:
    """Whether a YAML file is a sweep's: it has ``experiments``, which an experiment's own has not."""
    return isinstance(content := _load(path), dict) and "experiments" in content


def read_plan(path: Path, resolve: Callable[[str], str] = str) -> Plan:
    """The plan in a file.

    Args:
        path: the file.
        resolve: from what the file calls an experiment to its name.

    Raises:
        PlanError: the file is not of the form above.
    """
    content = _load(path)
    if not isinstance(content, dict):
        raise PlanError(f"{path} is not a sweep: it must be a mapping with experiments, seeds, grid and settings")
    for key in content:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise PlanError(f"{path}: unknown key {key!r}{hint} (one of {', '.join(KEYS)})")
    if not content.get("experiments"):
        raise PlanError(f"{path}: name at least one experiment under experiments (see `memnets list`)")
    return Plan(
        name=str(content.get("name") or path.stem),
        experiments=_experiments(path, content["experiments"], resolve),
        seeds=_seeds(path, content.get("seeds", 0)),
        grid={key: _values(path, key, values) for key, values in _mapping(path, "grid", content.get("grid")).items()},
        settings=_settings(path, "settings", content.get("settings")),
    )


def write_plan(plan: Plan) -> str:
    """The plan as YAML that :func:`read_plan` takes, values as on the command line."""
    content = {
        "name": plan.name,
        "experiments": {name: dict(own) for name, own in plan.experiments.items()},
        "seeds": show_seeds(plan.seeds),
        "grid": {key: list(values) for key, values in plan.grid.items()},
        "settings": dict(plan.settings),
    }
    return yaml.safe_dump(content, sort_keys=False)


def to_text(value: Any) -> str:
    """A YAML value as it is written on the command line."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _load(path: Path) -> Any:
    try:
        return load_yaml(path)
    except UsageError as error:
        raise PlanError(str(error)) from error


def _experiments(path: Path, content: Any, resolve: Callable[[str], str]) -> dict[str, dict[str, str]]:
    if isinstance(content, str):
        content = [content]
    if isinstance(content, list):
        if wrong := [item for item in content if not isinstance(item, str)]:
            raise PlanError(
                f"{path}: experiments holds {wrong[0]!r}, which is not a name; for settings of its own write "
                "experiments: {copy-ntm: {key: value}}"
            )
        content = [(name, None) for name in content]
    elif isinstance(content, dict):
        content = list(content.items())
    else:
        raise PlanError(f"{path}: experiments is {content!r}, but must be a list of names or a mapping")
    found: dict[str, dict[str, str]] = {}
    for written, own in content:
        name = resolve(str(written))
        if name in found:
            raise PlanError(f"{path}: experiment {name} is named twice")
        found[name] = _settings(path, f"experiments: {name}", own)
    return found


def _seeds(path: Path, content: Any) -> tuple[int, ...]:
    if isinstance(content, list):
        return tuple(seed for item in content for seed in _seeds(path, item))
    if isinstance(content, bool) or not isinstance(content, (int, str)):
        raise PlanError(f"{path}: seeds is {content!r}, but must be such as 0..9, 0,3,5..7 or [0, 3]")
    return parse_seeds(content)


def _values(path: Path, key: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise PlanError(f"{path}: grid: {key} is {values!r}, but must be a list of values")
    return tuple(map(to_text, values))


def _settings(path: Path, where: str, content: Any) -> dict[str, str]:
    settings = _mapping(path, where, content)
    for key, value in settings.items():
        if isinstance(value, Mapping) and "class_path" not in value:
            inner = next(iter(value), "key")
            raise PlanError(f"{path}: {where}: write {key}.{inner}: ... instead of a mapping under {key}")
    return {key: to_text(value) for key, value in settings.items()}


def _mapping(path: Path, where: str, content: Any) -> dict[str, Any]:
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise PlanError(f"{path}: {where} is {content!r}, but must be a mapping such as {{model.slots: 64}}")
    return {str(key): value for key, value in content.items()}
