"""Errors whose message is made for the user: one line with the value and the remedy."""

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """What was asked for, on the command line or in a file, is not there or does not go together."""


class RunError(RuntimeError):
    """A run directory cannot be used; the message says why and what to do."""


class BackendUnavailableError(RuntimeError):
    """A backend was asked for by name and cannot run; the message says why."""


def suggest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest known names, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def lacks_memory(error: RuntimeError) -> bool:
    """Whether it is torch's that a device's memory is full."""
    return "alloc" in str(error) or "out of memory" in str(error)
