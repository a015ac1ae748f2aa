"""One process at a time in a run's directory, on one machine or on several that share it."""

import contextlib
import errno
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import filelock

NAME = "trial.lock"
BEAT = 20.0
"""Seconds between two signs of life."""
SILENT = 300.0
"""Seconds without one after which another machine's process counts as dead, whatever its clock says."""


class HeldError(RuntimeError):
    """Another process is at work in the directory; the message says which."""


@contextlib.contextmanager
def hold(directory: Path, on_beat: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the directory while the block runs.

    The operating system's lock on ``trial.lock`` ends with the process that holds it, however that ends. Between
    machines, whose locks may not reach one another, the host's name in the file and the file's time are the proof. A
    link of that name is not followed.

    Args:
        directory: a run's.
        on_beat: called every second meanwhile, in another thread.

    Raises:
        HeldError: another process holds it, or it cannot be locked.
    """
    path = directory / NAME
    lock = filelock.FileLock(path, thread_local=False, fallback_to_soft=False)
    _acquire(lock, path)
    over = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, over, on_beat), daemon=True, name="run-lock")
    beat.start()
    try:
        _refuse_other_host(path)
        try:
            path.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
        except OSError as error:  # of a full disk, which does not say where
            raise _not_writable(path, error) from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()  # while it is still held: who waits for the old file looks again
    finally:
        over.set()
        beat.join()
        lock.release()


def holder(directory: Path) -> str | None:
    """Who is at work in the directory, or None."""
    path = directory / NAME
    if not path.is_file() or path.is_symlink():
        return None
    try:
        with filelock.FileLock(path, timeout=0.3, thread_local=False, fallback_to_soft=False):
            _refuse_other_host(path)
    except filelock.Timeout:
        return _describe(path, _owner(path))
    except HeldError as error:
        return str(error)
    except OSError:
        return None  # where no lock can be had, none is held
    return None


def _acquire(lock: filelock.BaseFileLock, path: Path) -> None:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise HeldError(f"{path} is no file: remove it, and a lock is made in its place")
    try:
        lock.acquire(timeout=0.5)  # who only asks for the holder has it for an instant too
    except filelock.Timeout:
        raise HeldError(_describe(path, _owner(path))) from None
    except OSError as error:
        if path.is_symlink():
            raise HeldError(f"{path} cannot be locked ({error.strerror}): it is a link: remove it") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT):
            raise _not_writable(path, error) from error
        raise HeldError(f"{path} cannot be locked ({error.strerror}): use a file system that has locks") from error


def _not_writable(path: Path, error: OSError) -> HeldError:
    remedy = "make it writable, or copy the directory to where you can write"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "make room there"
    return HeldError(f"{path} cannot be written ({error.strerror}): {remedy}")


def _refuse_other_host(path: Path) -> None:
    owner = _owner(path)
    if owner and owner["host"] != socket.gethostname() and abs(time.time() - path.stat().st_mtime) < SILENT:
        raise HeldError(
            f"{_describe(path, owner)}; if that process is dead, wait {SILENT / 60:.0f} minutes or delete the file"
        )


def _owner(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(4096))
        return {"host": str(found["host"]), "pid": int(found["pid"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _describe(path: Path, owner: dict[str, Any]) -> str:
    who = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
    return f"{path.parent} is being run by {who} (see {path.name})"


def _beat(path: Path, over: threading.Event, on_beat: Callable[[], None]) -> None:
    last = time.monotonic()
    while not over.wait(1.0):
        on_beat()
        if time.monotonic() - last >= BEAT:
            last = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(path)
