"""Texts of data and of files as a terminal may be shown them."""

import unicodedata

STEERING = ("Cc", "Cs", "Zl", "Zp")
"""Categories of Unicode that end a line, move the cursor or begin a command to a terminal, or are no characters."""
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that have what follows shown the other way round, so that a line reads as what it is not."""


def escaped(text: str, keep: str = "") -> str:
    """The text with whatever could steer a terminal written out, such as ``\\x1b`` for an escape.

    Args:
        text: of a file, a data set, a checkpoint or a stranger's settings.
        keep: characters that stay, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode("ascii") if c not in keep and _steers(c) else c for c in text)


def _steers(character: str) -> bool:
    return character in TURNING or unicodedata.category(character) in STEERING
