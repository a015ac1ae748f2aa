"""YAML files of people: plain values alone, and no key twice."""

import json
from pathlib import Path
from typing import Any

import yaml

from ..base.errors import UsageError
from ..base.regular_files import UnusableFile, read_regular

MOST_BYTES = 16 << 20
"""Larger files are no settings."""
MOST_VALUES = 1_000_000
"""More are no settings; a few lines of aliases of aliases stand for billions."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} stands twice, again in line {line}"
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        UsageError: it cannot be read, is no YAML of plain values, has a key twice, or stands for too many values.
    """
    try:
        content = yaml.load(read_regular(path, MOST_BYTES).decode("utf-8"), _Loader)
    except UnusableFile as error:
        raise UsageError(f"{path} {error}: give a YAML file") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file: {error.reason}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid YAML: {_reason(error)}") from error
    try:
        if _count(content, {}) > MOST_VALUES:
            raise UsageError(f"{path} holds over {MOST_VALUES} values, where its aliases stand for what they repeat")
        json.dumps(content, default=str)
    except (ValueError, RecursionError, TypeError) as error:
        raise UsageError(f"{path} is not valid YAML for settings: {error}") from error
    return content


def load_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UsageError: as :func:`load_yaml`; or it is empty, or holds something else.
    """
    content = load_yaml(path)
    if content is None:
        raise UsageError(f"{path} is empty: it must name at least a task, a model and an optimizer")
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds {type(content).__name__} in place of settings: it must be such as task: ...")
    return content


def _count(value: Any, known: dict[int, int]) -> int:
    """Values in plain settings, those of an alias each time."""
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list):
        return 1
    if id(value) not in known:
        known[id(value)] = 0  # of one that holds itself, which is refused as such
        known[id(value)] = 1 + sum(_count(item, known) for item in inner)
    return known[id(value)]


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    return f"{getattr(error, 'problem', None) or str(error) or type(error).__name__}{where}"
