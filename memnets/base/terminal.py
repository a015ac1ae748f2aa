"""Texts of data and of files as a terminal may be shown them."""

import unicodedata

STEERING = ("Cc", "Cs", "Zl", "Zp")
"""Categories of Unicode that end a line, move the cursor or begin a command to a terminal, or are no characters."""


def escaped(text: str, keep: str = "") -> str:
    """The text with whatever could steer a terminal written out, such as ``\\x1b`` for an escape.

    Args:
        text: of a file, a data set, a checkpoint or a stranger's settings.
        keep: characters that stay, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii") if c not in keep and unicodedata.category(c) in STEERING else c
        for c in text
    )
