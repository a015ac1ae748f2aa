"""Reading files that others name or wrote: regular files alone, up to a size, and none outside a folder."""

import errno
import os
import stat
from pathlib import Path


def _flags(*names: str) -> int:
    """Those of a system's flags that it has: Windows lacks most, and the pipes that they are for."""
    found = os.O_RDONLY
    for name in names:
        found |= getattr(os, name, 0)
    return found


_FLAGS = _flags("O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK", "O_BINARY")  # a pipe without a writer does not block
_FOLDER = _flags("O_CLOEXEC", "O_DIRECTORY")
_NO_LINK = _flags("O_NOFOLLOW")


class UnusableFile(ValueError):
    """A file that is not read.

    Attributes:
        reason: Why, as a predicate that is the same for all such files: "is not there".
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason = reason


def read_regular(path: Path, most: int) -> bytes:
    """The bytes of a file that a user names; links are followed.

    Args:
        path: The file.
        most: Largest size, in bytes.

    Raises:
        UnusableFile: If it is not there, no regular file (a pipe or device may never end), too large, or unreadable.
    """
    return _read(_open(str(path)), most)


def read_within(folder: Path, name: str, most: int) -> bytes:
    """The bytes of a file below a folder.

    Args:
        folder: The folder.
        name: Where the file lies in it. Links count as what they point to.
        most: Largest size, in bytes.

    Raises:
        UnusableFile: As ``read_regular`` does, or if it lies outside the folder.
    """
    return _read(open_within(folder, name), most)


def open_within(folder: Path, name: str) -> int:
    """A descriptor of a regular file below a folder, to be closed by the caller; raises what ``read_within`` does.

    The file is opened step by step without following any link. Where there is one, it is found where it leads, and
    what was found is opened so in turn: a link that is put in the way meanwhile is refused by the system.
    """
    steps = name.split("/")
    if ".." not in steps and "" not in steps:
        try:
            return _open_steps(str(folder), steps)
        except (UnusableFile, OSError, ValueError):
            pass  # a link, or a reason that is found below
    try:
        root = os.path.realpath(folder)
        target = os.path.realpath(os.path.join(root, name))
        is_inside = os.path.commonpath([root, target]) == root
    except (OSError, ValueError) as error:  # ValueError: a null character, or half of a surrogate pair
        raise UnusableFile("cannot be read", str(error)) from error
    if not is_inside:
        raise UnusableFile("lies outside its folder", f"it is {target}")
    try:
        return _open_steps(root, os.path.relpath(target, root).split(os.sep))
    except OSError as error:
        raise _unusable(error) from error


def _open_steps(folder: str, steps: list[str]) -> int:
    """A descriptor of a regular file, by the folders that lead to it; OSError where one of them is a link."""
    inner = os.open(folder, _FOLDER)
    try:
        for step in steps[:-1]:
            outer, inner = inner, os.open(step, _FOLDER | _NO_LINK, dir_fd=inner)
            os.close(outer)
        return _open(steps[-1], folder=inner)
    finally:
        os.close(inner)


def _open(path: str, folder: int | None = None) -> int:
    """A descriptor of a regular file; of one in an open folder without following links."""
    follow = folder is None
    try:
        if not stat.S_ISREG(os.stat(path, dir_fd=folder, follow_symlinks=follow).st_mode):
            raise UnusableFile("is no regular file")  # not opened: with a device that alone may do something
        descriptor = os.open(path, _FLAGS | (0 if follow else _NO_LINK), dir_fd=folder)
    except OSError as error:
        raise _unusable(error) from error
    except UnusableFile:
        raise
    except ValueError as error:
        raise UnusableFile("cannot be read", str(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # it was exchanged meanwhile
        os.close(descriptor)
        raise UnusableFile("is no regular file")
    return descriptor


def _read(descriptor: int, most: int) -> bytes:
    """All that a descriptor gives, which is closed."""
    try:
        size = os.fstat(descriptor).st_size
        if size > most:
            raise UnusableFile(f"is larger than {most} bytes", f"it has {size}")
        parts: list[bytes] = []
        left = most + 1
        while left and (part := os.read(descriptor, min(left, max(size + 1, 1 << 16)))):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise _unusable(error) from error
    finally:
        os.close(descriptor)
    if not left:  # it grew, or is of a kind whose size is not known
        raise UnusableFile(f"is larger than {most} bytes")
    return b"".join(parts)


def _unusable(error: OSError) -> UnusableFile:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return UnusableFile("is not there")
    return UnusableFile("cannot be read", error.strerror or str(error))
