"""What was skipped of a data set, and why."""

import warnings

MOST_WARNINGS = 5
"""Warnings for each reason; further items are only counted and listed."""

MOST_CHARACTERS = 200
"""Longer names and details are cut in warnings."""


class SkippedItems:
    """Items that could not be used, by reason. None is skipped silently.

    Args:
        source: The file or folder the items are from, for messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.keys: dict[str, list[str]] = {}

    def add(self, key: str, reason: str, detail: str = "") -> None:
        """Count an item, and warn of it unless many of its kind were warned of already."""
        keys = self.keys.setdefault(reason, [])
        keys.append(key)
        if len(keys) <= MOST_WARNINGS:
            more = "; further ones are counted in .skipped" if len(keys) == MOST_WARNINGS else ""
            warnings.warn(f"{self.source}: {shown(key)} skipped: {shown(detail or reason)}{more}", stacklevel=2)

    @property
    def counts(self) -> dict[str, int]:
        """How many items were skipped, by reason."""
        return {reason: len(keys) for reason, keys in self.keys.items()}


def shown(text: str) -> str:
    """A text of the data as a message may hold it: what would steer a terminal is escaped, what is long is cut."""
    cut = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
