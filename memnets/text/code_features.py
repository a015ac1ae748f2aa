"""What is true at each character of a program's text: inside quotes, in a comment, how deep, how far along the line."""

import re

import numpy as np

FEATURES = ("quotes", "comment", "indentation", "line position", "bracket depth", "if condition")

_TOKENS = re.compile(
    r"""(?P<quotes>'''.*?(?:'''|\Z)|\"\"\".*?(?:\"\"\"|\Z)|'(?:\\.|[^'\\\n])*'?|"(?:\\.|[^"\\\n])*"?)"""
    r"""|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<word>\w+)|(?P<colon>:)|(?P<line>\n)""",
    re.DOTALL,
)
"""What the scanner knows of Python; everything else is passed over."""


def code_features(text: str) -> dict[str, np.ndarray]:
    """Features of each character of a text, as a program in Python.

    Args:
        text: of T characters, from the start of a line on.

    Returns:
        By name, each ``(T,)`` float64:

        - ``quotes``: 1 from an opening quotation mark up to the character before the last closing one;
        - ``comment``: 1 from a number sign to the end of its line;
        - ``indentation``: spaces at the start of the character's line, over 4;
        - ``line position``: characters before it in its line;
        - ``bracket depth``: how many brackets are open after it;
        - ``if condition``: 1 from ``if``, ``elif`` or ``while`` up to the character before the colon, or its line's.
    """
    size = len(text)
    found = {name: np.zeros(size) for name in FEATURES}
    _mark_lines(text, found)
    depth, condition, done = 0, -1, 0  # brackets open, the depth at which a condition began or -1, characters marked
    for token in _TOKENS.finditer(text):
        start, end = token.span()
        found["bracket depth"][done:start] = depth
        found["if condition"][done:start] = condition >= 0
        if token.lastgroup == "quotes":
            closed = len(token[0]) > 1 and token[0].endswith(token[0][0])
            found["quotes"][start : end - closed] = 1
        elif token.lastgroup == "comment":
            found["comment"][start:end] = 1
        elif token.lastgroup == "open":
            depth += 1
        elif token.lastgroup == "close":
            depth = max(depth - 1, 0)
        elif token.lastgroup == "word":
            condition = depth if token[0] in ("if", "elif", "while") and condition < 0 else condition
        elif token.lastgroup == "colon" and depth <= condition:
            condition = -1
        elif token.lastgroup == "line" and not depth:
            condition = -1  # a conditional expression has no colon
        found["bracket depth"][start:end] = depth
        found["if condition"][start:end] = condition >= 0
        done = end
    found["bracket depth"][done:] = depth
    found["if condition"][done:] = condition >= 0
    return found


def _mark_lines(text: str, found: dict[str, np.ndarray]) -> None:
    """How far each line is indented, and how far along it each character stands."""
    start = 0
    for line in text.split("\n"):
        end = min(start + len(line) + 1, len(text))  # its line feed is the last of a line
        found["line position"][start:end] = np.arange(end - start)
        found["indentation"][start:end] = (len(line) - len(line.lstrip(" "))) / 4
        start = end
