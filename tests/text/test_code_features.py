"""What is true at each character of a program: each feature on lines where it can be read off."""

import numpy as np
import pytest

from memnets.text import FEATURES, code_features


def marked(text, name):
    """The characters at which a feature is 1."""
    return "".join(character if value else "." for character, value in zip(text, code_features(text)[name]))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("quotes", 'a = \'b"c\' + "d"', '....\'b"c...."d.'),
        ("quotes", "'it\\'s' x", "'it\\'s..."),
        ("quotes", "'''a\n'b'''c", "'''a\n'b''.."),
        ("quotes", "x = 'open\ny", "....'open.."),
        ("comment", "a # b 'c'\nd", "..# b 'c'.."),
        ("comment", "'#' # '#'", "....# '#'"),
        ("if condition", "if a[1:2]:\n b", "if a[1:2]...."),
        ("if condition", "x = a if b else c\nd:", "......if b else c..."),
    ],
)
def test_what_is_marked(name, text, expected):
    assert marked(text, name) == expected


def test_numbers():
    text = "ab(\n    c[d])\n"
    found = code_features(text)
    assert found["line position"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert found["indentation"].tolist() == [0] * 4 + [1] * 10
    assert found["bracket depth"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 1, 0, 0]
    assert tuple(found) == FEATURES
    assert all(values.shape == (len(text),) and np.isfinite(values).all() for values in found.values())
    assert all(not values.size for values in code_features("").values())
