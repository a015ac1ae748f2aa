"""Keeps compiled kernels in the user's cache.

What lies there is loaded only if the user owns it, no one else may write to it or to its folder, and its digest is the
one noted beside it. Where the cache is not like that, or cannot be written, a private folder serves for the process.
"""

import atexit
import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Layout = dict[str, Any]
"""What the calling side must know of a program, in plain values."""

_PRIVATE = "memnets-kernels-"
_log = logging.getLogger("memnets")


class BuildError(RuntimeError):
    """A kernel cannot be compiled here; the message says why and what to do."""


class Built(NamedTuple):
    """Compiled code and what was noted beside it."""

    path: Path
    layout: Layout


def cache_folder() -> Path:
    """Where compiled kernels are kept: $MEMNETS_CACHE, or memnets/ in the user's cache folder."""
    if chosen := os.environ.get("MEMNETS_CACHE"):
        return Path(chosen).absolute()
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    except RuntimeError:
        return _private_folder("there is no home folder")
    return Path(home).absolute() / "memnets"


@functools.cache
def _private_folder(reason: str) -> Path:
    """A folder for this process, where the cache cannot be used; those of processes that were killed go."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PRIVATE}????????"):
        _remove_unlocked(left)
    folder = Path(tempfile.mkdtemp(prefix=_PRIVATE))
    _locked(str(folder))  # while the process lives
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _log.warning(
        "compiled kernels are made anew in each process: %s; set MEMNETS_CACHE to a folder that only you may write",
        reason,
    )
    return folder


def usable_folder() -> Path:
    """The cache folder, or a private one where others may write to it or it cannot be written."""
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()  # a link on the way there could be exchanged later
        reason = _shared(folder)
        if reason is None and not os.access(folder, os.W_OK | os.X_OK):
            reason = f"{folder} cannot be written"
    except OSError as error:
        reason = f"{folder} cannot be used ({error.strerror})"
    return folder if reason is None else _private_folder(reason)


def _shared(folder: Path) -> str | None:
    """Who else could put something at ``folder``, which goes through no link, or None."""
    user = os.geteuid() if hasattr(os, "geteuid") else None
    if user is None:
        return None
    for part in (folder, *folder.parents):
        found = part.stat()
        if found.st_uid not in ((user,) if part == folder else (user, 0)):
            return f"{part} belongs to another user"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and (part == folder or not found.st_mode & stat.S_ISVTX):
            return f"{part} may be written by others"
    return None


def fetch(name: str, write: Callable[[Path], Layout], check: Callable[[Built], None]) -> Built:
    """Compiled code, from the cache or made now.

    Two processes may come here at once: each writes files of its own, and renames are atomic.

    Args:
        name: of the file, which tells it from all others.
        write: makes the file at a path, and gives the layout.
        check: raises where what was just made is wrong; it is then not kept.

    Raises:
        BuildError: there is nowhere to write; or what ``write`` raises.
    """
    folder = usable_folder()
    path = folder / name
    layout = _noted(path)
    _sweep(folder)
    if layout is not None:
        return Built(path, layout)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as place, _at_work(place):
            made = Path(place) / path.name
            layout = write(made)
            check(Built(made, layout))
            note = Path(place) / "note"
            note.write_text(json.dumps({"sha256": _digest(made, layout), "layout": layout}))
            os.replace(made, path)
            os.replace(note, path.with_suffix(".json"))
    except OSError as error:
        raise BuildError(
            f"the compiled kernel cannot be kept as {path} ({error.strerror}): remove what is there, or set "
            "MEMNETS_CACHE to another folder"
        ) from error
    return Built(path, layout)


def _noted(path: Path) -> dict[str, Any] | None:
    """The layout beside a library that may be loaded, or None where it is missing, damaged or another's."""
    try:
        for part in (path, path.with_suffix(".json")):
            found = part.lstat()
            own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
            if not own or not stat.S_ISREG(found.st_mode) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
        note = json.loads(path.with_suffix(".json").read_text())
        return note["layout"] if _digest(path, note["layout"]) == note["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
        return None


def _digest(library: Path, layout: dict[str, Any]) -> str:
    """Of its name, the library and what is noted beside it, by which tensors are checked and scratch memory is made."""
    return hashlib.sha256(library.name.encode() + library.read_bytes() + json.dumps(layout).encode()).hexdigest()


@contextlib.contextmanager
def _at_work(place: str) -> Iterator[None]:
    """Holds a lock on a build's folder, which ends with the process, however that ends."""
    descriptor = _locked(place)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(place: str) -> int | None:
    """A descriptor of the folder with its lock, or None where another has it, or there are no such locks."""
    try:
        import fcntl

        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(folder: Path) -> None:
    """Remove what builds that were killed left behind."""
    for left in folder.glob("build-*"):
        _remove_unlocked(left, 3600)


def _remove_unlocked(left: Path, age: float = math.inf) -> None:
    """Remove a folder of ours that no process has locked any more, or that is that many seconds old."""
    try:
        found = left.lstat()
    except OSError:
        return
    passed = time.time() - found.st_mtime
    if passed < 10 or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):  # it may be about to be locked
        return
    descriptor = _locked(str(left))
    if descriptor is not None or passed > age:
        shutil.rmtree(left, ignore_errors=True)
    if descriptor is not None:
        os.close(descriptor)
