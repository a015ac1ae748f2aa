"""Characters and words: nothing folded, nothing lost, and what is unknown named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memnets.text.charset import Charset, Vocabulary, compare


def test_every_code_point_is_kept():
    """An unescaped regular expression loses the backslash in public code, and normalisation loses other scripts."""
    characters = "aA \\]^-.*\t\u00e9\u00df\u4e2d\u0639\u0301\U0001f600\u3000"
    charset = Charset(characters)
    assert len(charset) == len(characters) + 1
    assert charset.encode(characters[:3]) == [1, 2, 3]
    for character in characters:
        assert charset.decode(charset.encode(character)) == character
    assert Charset.from_tensor(charset.to_tensor()).characters == characters


def test_texts_are_composed_before_they_are_encoded():
    charset = Charset("e\u00e9\u0301")
    assert charset.encode("e\u0301") == [2]
    assert charset.decode([2]) == "\u00e9"


def test_what_is_read_is_composed_and_each_character_knows_its_places():
    """A charset of a foreign alphabet may hold a letter and its mark apart."""
    charset = Charset("e\u0301b")
    assert charset.decode([3, 1, 2, 3]) == "b\u00e9b"
    assert charset.decoded_places([3, 1, 2, 3]) == [[0], [1, 2], [3]]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u05d0\u05d1\u05d2", "\u05d2\u05d1\u05d0"),
        ("\u05d0\u05d1 12.5", "12.5 \u05d1\u05d0"),
        ("\u05d0\u05d1 ab \u05d2\u05d3", "\u05d3\u05d2 ab \u05d1\u05d0"),
        ("abc \u05d0\u05d1", "abc \u05d1\u05d0"),
        ("(\u05d0\u05d1)", "(\u05d1\u05d0)"),
        ("\u0627\u0628 1,5", "1,5 \u0628\u0627"),
        ("\u05e9\u05b8\u05dc", "\u05dc\u05e9\u05b8"),  # a point stays behind its letter
        ("ab (1)", "ab (1)"),
    ],
)
def test_lines_from_the_right_are_written_as_they_stand_and_come_back(text, shown):
    charset = Charset("".join(sorted(set(text + shown))))
    assert "".join(charset.characters[n - 1] for n in charset.encode(text)) == shown
    assert charset.decode(charset.encode(text)) == text
    places = charset.decoded_places(charset.encode(text))
    assert len(places) == len(text)
    assert sorted(place for each in places for place in each) == list(range(len(text)))


@given(text=st.text(alphabet="\u05d0\u05d1\u0627 a1.", max_size=12))
def test_any_mixture_comes_back_with_its_words(text):
    charset = Charset("\u05d0\u05d1\u0627 a1.")
    again = charset.decode(charset.encode(text))
    assert sorted(again) == sorted(text)
    assert charset.encode(again) == charset.encode(text)


@given(text=st.text(alphabet="ab \\", max_size=20))
def test_texts_come_back(text):
    charset = Charset("\\ ba")
    assert charset.decode(charset.encode(text)) == text


@pytest.mark.parametrize(
    ("characters", "message"),
    [
        ("", "charset is empty, but needs at least one character"),
        (123, r"charset is 123, but must be one text \(in a YAML file: put quotes around it\)"),
        (["a", "bc"], r"charset is \['a', 'bc'\], but must be one text"),
        ("abca", r"charset holds 'a' \(U\+0061 LATIN SMALL LETTER A\) twice"),
        ("a\u212b", r"U\+212B ANGSTROM SIGN\), which is not in NFC: write '\u00c5' instead"),
    ],
)
def test_a_charset_that_is_none(characters, message):
    with pytest.raises(ValueError, match=message):
        Charset(characters)


def test_an_unknown_character_is_named():
    with pytest.raises(ValueError, match=r"'ab\u2013' holds '\u2013' \(U\+2013 EN DASH\), which is not among the cha"):
        Charset("ab-").encode("ab\u2013")


def test_a_vocabulary():
    vocabulary = Vocabulary(["two", "words", "l'\u00e9t\u00e9"])
    assert len(vocabulary) == 5
    assert vocabulary.encode(["words", "unheard", "two"]) == [3, 1, 2]
    assert vocabulary.decode([4, 1]) == ("l'\u00e9t\u00e9", "<unknown>")
    assert Vocabulary.from_tensor(vocabulary.to_tensor()).words == vocabulary.words


def test_words_are_composed_before_they_are_looked_up():
    """Else a word of another spelling would be learnt as the unknown one, in silence."""
    composed, parted = "\u00e9t\u00e9", "e\u0301te\u0301"
    for words in ([composed], [parted]):
        vocabulary = Vocabulary(words)
        assert vocabulary.encode([composed, parted]) == [2, 2]
        assert vocabulary.decode([2]) == (composed,)
    with pytest.raises(ValueError, match="twice"):
        Vocabulary([composed, parted])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "vocabulary is empty"),
        ("abc", "vocabulary is the text 'abc', but must be a list of words"),
        (["a", ""], "vocabulary holds '', which is no word"),
        (["a", "<unknown>"], "vocabulary holds '<unknown>', which is no word"),
        (["a", "b", "a"], "vocabulary holds 'a' twice"),
    ],
)
def test_a_vocabulary_that_is_none(words, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(words)


def test_a_change_says_what_became_of_each():
    change = compare(Charset("abcd"), Charset("db\\"))
    assert change == (("d", "b"), ("\\",), ("a", "c"))
    assert str(change) == "2 kept; 1 added, untrained ('\\\\'); 2 dropped ('a', 'c')"
