"""Running one command, and saying in one line what went wrong."""

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from ..base.errors import UsageError
from ..base.extras import remedy
from ..base.terminal import escaped
from .drawing import settle_matplotlib
from .parser import parse
from .threads import let_waiting_threads_sleep

KNOWN = (
    "RunError",
    "HeldError",
    "DivergedError",
    "WandbUnavailableError",
    "BackendUnavailableError",
    "MisconfigurationException",
)
"""Errors whose message is made for the user, by name, as their modules may not have been imported."""

REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room there"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR), "give a folder that can be written"),
    errno.ENAMETOOLONG: "give a shorter name",
}
"""What helps against what an operating system refuses."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. Errors that a user can mend are one line on standard error."""
    try:
        return _run(argv)
    finally:
        if argv is None:  # the process ends with this: another Ctrl-C must not change its status
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(argv: Sequence[str] | None) -> int:
    arguments: list[str] = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # "?" would pass for what was read
    let_waiting_threads_sleep()
    command = ""
    try:
        options = parse(arguments)
        settle_matplotlib()
        command = f"{options.command}: "
        return options.run(options)
    except UsageError as error:
        message = str(error)
        return _fail(message if message.startswith(command) else command + message, 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if isinstance(error, ImportError) and (what := remedy(error.name)):
            return _fail(f"{command}{what}", 1)
        if os.environ.get("MEMNETS_DEBUG") or not _is_known(error):
            raise
        return _fail(_reason(error), 1)


def _is_known(error: Exception) -> bool:
    """Errors whose message is made for the user; anything else is a fault of ours and keeps its traceback."""
    made_for_users = any(kind.__name__ in KNOWN for kind in type(error).__mro__)
    return made_for_users or isinstance(error, (MemoryError, OSError)) or _is_of_lightning(error)


def _is_of_lightning(error: Exception) -> bool:
    """Whether a callback or the trainer of Lightning itself raised it, such as EarlyStopping with a wrong monitor."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and f"{os.sep}lightning{os.sep}" in frames[-1].filename


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
        return ": ".join([*where, error.strerror, *filter(None, [REMEDIES.get(error.errno or 0)])])
    return str(error) or type(error).__name__


def _fail(message: str, status: int) -> int:
    print("memnets: error: " + escaped(" ".join(message.split())), file=sys.stderr)
    return status
