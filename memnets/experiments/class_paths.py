"""Classes that a configuration names: which may be imported, which are refused, and where old ones are now.

A name in a file is code that will run. Names of ``memnets.experiments.trust.PACKAGES`` are looked up in anybody's file,
all others only where the user vouches for it. Either way a name must be that of a class of the kind that is wanted: a
function is never called for its name.
"""

import contextlib
import importlib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace, set_parsing_settings
from jsonargparse import _common as jsonargparse_common

from ..base.errors import UsageError, suggest
from .trust import PACKAGES, is_ours

MOVED = {"memnets.encoders.": "memnets.vision."}
"""Where classes are that files of 0.1.0 name."""

_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))

_LINES = ("path", "format", "images", "validation_path", "test_path", "height", "max_width", "charset", "max_length")
ADDED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "memnets_tasks.TextLineFiles": (_LINES, {"held_out": 0.0}),
}
"""Arguments that a class has got since, with what they would have been: of runs that name all of its older ones."""


@contextlib.contextmanager
def importing(trusted: bool, beside: Path | None = None) -> Iterator[None]:
    """While the block runs, let jsonargparse look up names: those of :data:`PACKAGES`, or any where that is trusted.

    Args:
        trusted: whether the user vouches for what is named. Modules of the working directory are then found.
        beside: a folder whose modules are found as well.
    """
    before = dict(jsonargparse_common.parsing_settings)
    allowed = list(PACKAGES)
    denied = [] if trusted else ["*", *(f"{name}.__main__" for name in PACKAGES), "memnets.cli", "memnets.experiments"]
    set_parsing_settings(
        import_path_denylist=denied, import_path_allowlist=allowed, instantiate_subclass_spec_in_any=False
    )
    if trusted:
        add_to_path(Path.cwd(), *([beside] if beside else []))
    try:
        yield
    finally:
        jsonargparse_common.parsing_settings.clear()
        jsonargparse_common.parsing_settings.update(before)


def add_to_path(*folders: Path) -> None:
    """Let Python find modules of these folders, after all others."""
    for folder in map(os.path.abspath, folders):
        if folder not in map(os.path.abspath, filter(None, sys.path)):
            sys.path.append(folder)


def move_old(content: Any) -> Any:
    """Plain settings with the class paths of 0.1.0 as they are today, and what was since given another default."""
    if isinstance(content, dict):
        if content.get("class_path") in ADDED and isinstance(content.get("init_args"), dict):
            before, added = ADDED[content["class_path"]]
            if set(before) <= set(content["init_args"]):  # as a run writes them, which has every argument
                content = content | {"init_args": added | content["init_args"]}
        return {key: _moved(value) if key == "class_path" else move_old(value) for key, value in content.items()}
    if isinstance(content, list):
        return [move_old(item) for item in content]
    return content


def _moved(class_path: Any) -> Any:
    for old, new in MOVED.items():
        if isinstance(class_path, str) and class_path.startswith(old):
            return new + class_path.removeprefix(old)
    return class_path


def find_class(class_path: str, kind: Any = object) -> type:
    """The class of that name; call it within :func:`importing` or of a name that :func:`is_ours`.

    Raises:
        UsageError: there is none, what is there is no class of that kind, or its module cannot be imported; the message
            says which of the user's lines it was.
    """
    module, dot, name = class_path.rpartition(".")
    if not dot or not all(part.isidentifier() for part in class_path.split(".")):
        raise UsageError(f"{class_path!r} names no class: write module.Class")
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise UsageError(
                f"{class_path}: there is no module {error.name} (looked for among the installed packages, in the "
                "working directory and beside the file)"
            ) from error
        raise UsageError(f"{class_path}: its module cannot be imported: {describe(error)}") from error
    except AttributeError as error:
        if getattr(error, "obj", None) is not sys.modules.get(module):
            raise UsageError(f"{class_path}: its module cannot be imported: {describe(error)}") from error
        raise UsageError(f"module {module} has no attribute {name!r}{suggest(name, vars(error.obj))}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"{class_path}: its module cannot be imported: {describe(error)}") from error
    if not inspect.isclass(found) or not issubclass(found, kind):
        raise UsageError(f"{class_path} is no {' or '.join(names_of(kind))}")
    return found


def names_of(kind: Any) -> list[str]:
    """What to call a kind of class, or several."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return ["class" if one is object else one.__name__ for one in kinds]


def describe(error: BaseException) -> str:
    """The error, and the line of the user's file that raised it, or called what did."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}, line {error.lineno})"
    inside = (*_INSTALLED, "<", __file__)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(inside)]
    at = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{at}"


def check_classes(config: Any, trusted: bool) -> None:
    """See that whatever was named is a class, and, in files of others, that nothing that can be called stands there.

    Raises:
        UsageError: something else was named.
    """
    for key, item in _walk(config):
        path = item.get("class_path") if isinstance(item, Namespace) else None
        if isinstance(path, str) and not inspect.isclass(_resolve(path)):
            raise UsageError(f"{key}: {path} is no class, and what is none is never called: name a class")
        if trusted:
            continue
        if isinstance(path, str) and key.startswith("trainer"):
            check_ours(key, path)
            check_within(key, (item.get("init_args") or Namespace()).as_dict())
        if callable(item) and not inspect.isclass(item) and not isinstance(item, Namespace):
            raise UsageError(f"{key}: {item!r} is no class, and of others' files nothing else is called")
    if not trusted and config.get("trainer.model_registry"):
        raise UsageError("trainer.model_registry sends checkpoints away: take it out, or add --trust if you mean it")


def _walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in settings, however deep it stands, with its key; what stands in a list has the list's."""
    yield key, value
    if isinstance(value, Namespace | dict):
        for name, inner in (vars(value) if isinstance(value, Namespace) else value).items():
            yield from _walk(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _walk(inner, key)


def check_ours(key: str, class_path: str) -> None:
    """Raise UsageError unless a callback or logger that others' files name is ours."""
    if not is_ours(class_path):
        raise UsageError(f"{key}: {class_path} is code of its own: if you know what it does, add --trust")


def check_within(key: str, arguments: Mapping[str, Any]) -> None:
    """Raise UsageError where others' files have a callback or logger write elsewhere than into the run."""
    for name, value in _walk(dict(arguments)):
        if isinstance(value, str) and _is_elsewhere(name, value):
            raise UsageError(
                f"{key}: {name} is {value!r}, which may be outside of the run's directory: add --trust if you mean it"
            )


def _is_elsewhere(name: str, value: str) -> bool:
    """Whether an argument may say a place that is not the run's own: any that is a folder's, and what is a path out."""
    is_folder = name.rpartition(".")[2].endswith(("dir", "dirpath", "folder"))
    leads_out = os.path.isabs(value) or ".." in Path(value).parts or value.startswith("~")
    return is_folder or leads_out or "$" in value or "://" in value


def _resolve(class_path: str) -> Any:
    module, _, name = class_path.rpartition(".")
    owner = sys.modules.get(module) or importlib.import_module(module)
    return getattr(owner, name)
