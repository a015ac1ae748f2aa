"""The command line: ``memnets list | fit | resume | lengths | show | read | describe | sweep | ...``."""

import errno
import io
import os
import sys
from collections.abc import Sequence

from ..base.errors import UsageError
from .arguments import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. Errors that a user can mend are one line on standard error."""
    arguments: list[str] = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # "?" would pass for what was read
    try:
        command, options = parse(arguments)
        if command == "list":
            from ..experiments.catalogue import print_experiments

            return print_experiments()
        if command == "doctor":
            from .doctor import print_doctor

            return print_doctor()
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # a YAML file may name a class of the user's, beside it
        if command in ("sweep", "trial", "report"):
            from . import sweeping

            return getattr(sweeping, command)(options)
        if command in ("read", "describe"):
            from . import reading

            return getattr(reading, command)(options)
        from . import commands

        return getattr(commands, command)(options)
    except UsageError as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("MEMNETS_DEBUG") or not _is_known(error):
            raise
        return _fail(str(error), 1)


def _is_known(error: Exception) -> bool:
    """Errors whose message is made for the user; anything else is a fault of ours and keeps its traceback."""
    names = {"RunError", "DivergedError", "WandbUnavailableError", "BackendUnavailableError"}
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENOTDIR)
    return full or type(error).__name__ in names or isinstance(error, (MemoryError, PermissionError))


def _fail(message: str, status: int) -> int:
    print("memnets: error: " + " ".join(message.split()), file=sys.stderr)
    return status
