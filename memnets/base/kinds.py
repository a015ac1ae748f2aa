"""Whether plain values that a file holds are of the kinds that are wanted, wherever they stand in it."""

from collections.abc import Mapping
from typing import Any

NUMBER = (int, float)
OR_NONE = (*NUMBER, type(None))
MOST_WHOLE = 1 << 63
"""Whole numbers beyond are no counts, and no float."""


def find_wrong(value: Any, wanted: Any, key: str = "") -> str | None:
    """The key of the first value that is of another kind, or missing; None if all is well.

    Args:
        value: plain values.
        wanted: a class or several; a mapping of keys, where there may be more; or a list of one for each item.
        key: where ``value`` stands.
    """
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return key
        inner = ((value.get(name, ...), kind, name) for name, kind in wanted.items())
    elif isinstance(wanted, list):
        if not isinstance(value, list):
            return key
        inner = ((item, wanted[0], number) for number, item in enumerate(value))
    else:
        is_vast = isinstance(value, int) and abs(value) > MOST_WHOLE
        return key if value is ... or is_vast or not isinstance(value, wanted) else None
    found = (find_wrong(item, kind, f"{key}.{name}" if key else str(name)) for item, kind, name in inner)
    return next((wrong for wrong in found if wrong is not None), None)


def taken_back(saved: Any, kinds: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What an object takes back of what it saved: what it knows and no more, and its own where that was not saved.

    Args:
        saved: plain values of a file.
        kinds: by name, as ``wanted`` of :func:`find_wrong`.
        own: the values now, by name.

    Raises:
        ValueError: a value is of another kind.
    """
    if not isinstance(saved, Mapping):
        raise ValueError(f"a {type(saved).__name__} was saved, not a mapping of {', '.join(kinds)}")
    found = {**own, **{name: saved[name] for name in kinds if name in saved}}
    if (wrong := find_wrong(found, dict(kinds))) is not None:
        raise ValueError(f"{wrong} is of another kind")
    return found
