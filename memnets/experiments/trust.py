"""Which files may name classes of one's own: those of runs and sweeps that the user's own commands made here.

The mark is kept outside the directory, so that a directory from elsewhere cannot bring it along: the path, and what its
files name. A directory that was moved, or that names something else since, asks for ``--trust`` once.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..base.files import write_atomically

PACKAGES: tuple[str, ...] = ("memnets", "memnets_tasks", "torch.nn", "torch.optim", "lightning.pytorch")
"""Whose classes anybody's file may name."""
ONLINE = ("online", "run")
"""Modes of W&B in which it sends."""
CLASSES = ("class_path", "task", "model", "optimizer", "lr_scheduler", "curriculum", "loggers", "callbacks")
"""Keys whose values are class paths."""

OUTWARD = ("loggers", "callbacks", "profiler", "plugins", "model_registry", "wandb")
"""Keys below which a file may say that something is sent away, or written elsewhere."""
LOGGERS = ("memnets.training.loggers.MetricsCSV", "memnets.training.loggers.Wandb")
"""Where numbers go; the first of them always, the second unless ``loggers`` says otherwise. Both stay in the run."""

DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
"""What may be the name of a class."""


def is_ours(class_path: str) -> bool:
    """Whether anybody's file may name it."""
    return any(class_path == name or class_path.startswith(f"{name}.") for name in PACKAGES)


def _leaves(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in plain settings, with its key."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _leaves(value, f"{key}.{name}")
    elif isinstance(content, list):
        for item in content:
            yield from _leaves(item, key)
    elif isinstance(content, str):
        yield key, content


def foreign(content: Any) -> list[str]:
    """Class paths in plain settings that only a trusted file may name."""
    named = [
        re.findall(r"class_path\W+([\w.]+)", value) if "class_path" in value else [value]
        for key, value in _leaves(content)
        if key.rpartition(".")[2] in CLASSES or "class_path" in value
    ]
    found = dict.fromkeys(name for names in named for name in names)
    return [name for name in found if _is_dotted(name) and not is_ours(name)]


def names_in(content: Any) -> set[str]:
    """Whatever in plain settings might be the name of something that only a trusted file may name."""
    found = {name for _, text in _leaves(content) for name in DOTTED.findall(text)}
    return {name for name in found if not is_ours(name)}


def needs_trust(content: Any) -> set[str]:
    """What only a trusted file may say: names of code, and what may be sent away or written elsewhere."""
    leaves = [(key.split("."), text) for key, text in _leaves(content) if text not in LOGGERS]
    is_online = any(key[-2:] == ["wandb", "entity"] or text in ONLINE for key, text in leaves if "wandb" in key)
    outward = [key for key in OUTWARD if key != "wandb" or is_online]
    return names_in(content) | {f"{key[-1]} {text!r}" for key, text in leaves if set(outward) & set(key)}


def _is_dotted(text: str) -> bool:
    return DOTTED.fullmatch(text) is not None


def state_folder() -> Path:
    """Where marks are: ``MEMNETS_STATE``, or ``memnets`` in ``XDG_STATE_HOME``, by default ``~/.local/state``."""
    if own := os.environ.get("MEMNETS_STATE"):
        return Path(own)
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "memnets"


def vouch(directory: Path, contents: Iterable[Any]) -> None:
    """Remember that the user vouches for what these settings of the directory name and ask for."""
    names = set().union(*map(needs_trust, contents))
    with contextlib.suppress(OSError, RuntimeError):  # without a home --trust is asked for again
        write_atomically({_mark(directory): "\n".join(sorted(names)).encode()})


def is_vouched(directory: Path, contents: Iterable[Any]) -> bool:
    """Whether the user did, and they name and ask for nothing else since."""
    try:
        known = set(_mark(directory).read_text().splitlines())
    except (OSError, RuntimeError):
        return False
    return set().union(*map(needs_trust, contents)) <= known


def _mark(directory: Path) -> Path:
    return state_folder() / "trusted" / hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]
