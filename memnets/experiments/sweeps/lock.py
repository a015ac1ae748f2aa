"""One process at a time in a trial's directory, on one machine or on several that share it."""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NAME = "trial.lock"
BEAT = 20.0
"""Seconds between two signs of life."""
SILENT = 300.0
"""Seconds without one after which another machine's process counts as dead."""


class HeldError(RuntimeError):
    """Another process is at work in the directory; the message says which."""


@contextlib.contextmanager
def hold(directory: Path, on_beat: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the directory while the block runs.

    The operating system's lock on ``trial.lock`` ends with the process that holds it, however that ends. Between
    machines, whose locks may not reach one another, the host's name in the file and the file's time are the proof.

    Args:
        directory: a trial's.
        on_beat: called every second meanwhile, in another thread.

    Raises:
        HeldError: another process holds it.
    """
    path = directory / NAME
    handle = _acquire_patiently(path)
    over = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, over, on_beat), daemon=True, name="trial-lock")
    beat.start()
    try:
        yield
    finally:
        over.set()
        beat.join()
        path.unlink(missing_ok=True)  # while it is still held: who waits for the old file looks again
        os.close(handle)


def holder(directory: Path) -> str | None:
    """Who is at work in the directory, or None."""
    path = directory / NAME
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        _refuse_other_host(handle, path)
    except OSError:
        return _describe(path, _owner(handle))
    except HeldError as error:
        return str(error)
    finally:
        os.close(handle)
    return None


def _acquire_patiently(path: Path) -> int:
    """Who only asks for the holder has the file for an instant too."""
    for _ in range(5):
        try:
            return _acquire(path)
        except HeldError:
            time.sleep(0.1)
    return _acquire(path)


def _acquire(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_still(handle, path):
                os.close(handle)
                continue
            _refuse_other_host(handle, path)
            owner = {"host": socket.gethostname(), "pid": os.getpid()}
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(owner).encode(), 0)
            return handle
        except BlockingIOError:
            owner = _owner(handle)
            os.close(handle)
            raise HeldError(_describe(path, owner)) from None
        except OSError as error:
            os.close(handle)
            raise HeldError(f"{path} cannot be locked ({error.strerror}): use a file system that has locks") from error
        except BaseException:
            os.close(handle)
            raise


def _is_still(handle: int, path: Path) -> bool:
    """Whether the open file is the one of that name: the holder before may have removed it."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _refuse_other_host(handle: int, path: Path) -> None:
    owner = _owner(handle)
    if owner and owner["host"] != socket.gethostname() and time.time() - os.fstat(handle).st_mtime < SILENT:
        raise HeldError(
            f"{_describe(path, owner)}; if that process is dead, wait {SILENT / 60:.0f} minutes or delete the file"
        )


def _owner(handle: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(handle, 4096, 0))
        return {"host": str(found["host"]), "pid": int(found["pid"])}
    except (ValueError, KeyError, TypeError):
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
