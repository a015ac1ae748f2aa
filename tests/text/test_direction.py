"""Where the characters of lines from the right stand, against a text engine's own bidirectional algorithm."""

import random

import numpy as np
import pytest

from memnets.text.charset import Charset
from memnets.text.direction import turned
from right_to_left_cases import from_the_right, needs_raqm, set_line

AS_IT_STANDS = "\u202d{}\u202c"
"""Tells a text engine to take characters in the order in which they come."""


def lines(alphabet, count=25):
    chosen = random.Random(0)
    drawn = ("".join(chosen.choices(alphabet, k=chosen.randint(2, 12))) for _ in range(count))
    return [text for text in (" ".join(line.split()) for line in drawn) if text]


def columns(image):
    """An image from its first column of ink to its last."""
    inked = np.flatnonzero(image.any(0))
    return image[:, inked[0] : inked[-1] + 1].astype(int)


@needs_raqm
@pytest.mark.parametrize("alphabet", ["אבגד", "אבגד 12", "אבגabc 12", "אבג12.,-/ ()", "אבab12.,-/%€ ()[]"])
def test_characters_stand_where_a_text_engine_sets_them(alphabet):
    """Unicode's algorithm by Raqm of the text in logical order; and what was turned here, set as it comes."""
    for text in lines(alphabet):
        engine = columns(set_line(text, "rtl" if from_the_right(text) else "ltr", 20, 32))
        ours = columns(set_line(AS_IT_STANDS.format(turned(text)), "ltr", 20, 32))
        assert engine.shape == ours.shape, text
        assert np.abs(engine - ours).max() <= 2, text


@pytest.mark.parametrize("alphabet", ["אבגד 12", "אבגabc ", "אבג12.,-/ ()", "ابتث 12"])
def test_what_is_read_from_the_page_comes_back_in_logical_order(alphabet):
    for text in lines(alphabet):
        charset = Charset("".join(dict.fromkeys(alphabet)))
        assert charset.decode(charset.encode(text)) == text


def test_a_number_between_two_scripts_belongs_to_either_as_far_as_the_page_says():
    assert turned("ab22א") == turned("abא22") == "ab22א"
