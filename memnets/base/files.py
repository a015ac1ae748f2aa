"""Writing files whole or not at all, and within their folder."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")
"""What files in the making are called; a process that is killed leaves them."""

ABANDONED = 3600.0
"""Seconds after which a file in the making counts as left behind, where no lock says that nobody writes it."""


def write_atomically(files: Mapping[Path, bytes]) -> None:
    """Put each file in place whole; until all are on disk none is replaced, and nothing is left beside them.

    What a process left that was killed while it wrote one of these files goes, too, an hour later.
    """
    written: dict[Path, str] = {}
    try:
        for folder in {path.parent for path in files}:
            remove_leftovers(folder, {path.name for path in files if path.parent == folder}, ABANDONED)
        for path, data in files.items():
            try:
                written[path] = _write_beside(path, data)
            except OSError as error:  # of a full disk, among others, which does not say where
                raise OSError(error.errno, error.strerror, str(path)) from error
        for path, temporary in written.items():
            os.replace(temporary, path)
    except BaseException:
        for temporary in written.values():
            Path(temporary).unlink(missing_ok=True)
        raise


def _write_beside(path: Path, data: bytes) -> str:
    """A file in the making with that content, on disk; its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def remove_leftovers(folder: Path, names: Collection[str] | None = None, age: float = 0.0) -> None:
    """Remove what killed processes left of files in the making.

    Args:
        folder: where; one in which no other process writes, unless ``age`` is given.
        names: of the files that were to be; any if None.
        age: seconds since they were last written.
    """
    if not folder.is_dir() or folder.is_symlink():
        return
    try:
        entries = list(os.scandir(folder))
    except OSError:  # it may be written, not listed
        return
    for entry in entries:
        if TEMPORARY.fullmatch(entry.name) and (names is None or entry.name[1:-13] in names):
            with contextlib.suppress(OSError):  # another process was faster, or it is not ours to remove
                if entry.is_file(follow_symlinks=False) and time.time() - entry.stat().st_mtime >= age:
                    os.unlink(entry.path)


def leads_out(path: Path, root: Path) -> bool:
    """Whether ``path``, which stands within ``root``, is a link out of it, or stands in a folder that is one."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))  # Path.resolve fails on loops


def find_link_out(root: Path) -> Path | None:
    """The first link below ``root`` that leads out of it, or None; ``root`` itself may be one.

    The link to its own log that W&B makes in each run, which nobody here reads or writes, is left out.
    """
    for folder, folders, files in os.walk(root):  # which goes through no link
        for name in sorted([*folders, *files]):
            path = Path(folder, name)
            if path.is_symlink() and not _is_wandbs_own(path) and leads_out(path, root):
                return path
    return None


def _is_wandbs_own(path: Path) -> bool:
    """Whether a link is ``wandb/<run>/logs/debug-core.log``."""
    return path.name == "debug-core.log" and path.parts[-2:-1] == ("logs",) and path.parts[-4:-3] == ("wandb",)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
