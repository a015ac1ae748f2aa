"""Numbers in digits to numbers in words, in English and in German, which says units before tens."""

from collections.abc import Callable, Sequence
from typing import Literal, final

from memnets_tasks._checks import check_evaluation_lengths, check_range
from memnets_tasks.language.pairs import GeneratedPairs, Words

MOST_DIGITS = 9

_ENGLISH = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_ENGLISH_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_GERMAN = [
    "null",
    "ein",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
]
_GERMAN_TENS = ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]


def english_words(number: int) -> Words:
    """A number from 0 to 999,999,999: 4215 is four thousand two hundred fifteen."""
    if number < 20:
        return (_ENGLISH[number],)
    if number < 100:
        return (_ENGLISH_TENS[number // 10 - 2], *_rest(english_words, number % 10))
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            return (*english_words(number // size), name, *_rest(english_words, number % size))
    raise AssertionError("a number of 100 or more has hundreds")


def german_words(number: int) -> Words:
    """A number from 0 to 999,999,999, in parts: 4225 is vier tausend zwei hundert fünf und zwanzig."""
    if number == 1:
        return ("eins",)
    if number < 20:
        return (_GERMAN[number],)
    if number < 100:
        units = (_GERMAN[number % 10], "und") if number % 10 else ()
        return (*units, _GERMAN_TENS[number // 10 - 2])
    if number >= 10**6:
        count = ("eine", "million") if number // 10**6 == 1 else (*_counting(number // 10**6), "millionen")
        return (*count, *_rest(german_words, number % 10**6))
    size, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
    return (*_counting(number // size), name, *_rest(german_words, number % size))


def _counting(number: int) -> Words:
    """A number before what it counts: "ein", not "eins"; "hundert ein", not "hundert eins"."""
    words = german_words(number)
    return (*words[:-1], "ein") if words[-1] == "eins" else words


def _rest(words: Callable[[int], Words], number: int) -> Words:
    return words(number) if number else ()


@final
class NumbersToWords(GeneratedPairs):
    """Say a number that is given digit by digit. The length is the number of digits, the first of them no zero.

    Args:
        language: "english", or "german", where units come before tens.
        min_length: Fewest digits in training.
        max_length: Most digits in training.
        evaluation_lengths: Digits of the numbers that are tested on, up to nine.

    Raises:
        ValueError: A length is out of range, or another language.
    """

    draws = 1

    def __init__(
        self,
        language: Literal["english", "german"] = "english",
        min_length: int = 1,
        max_length: int = 6,
        evaluation_lengths: Sequence[int] = (2, 4, 6),
    ) -> None:
        check_range("min_length", min_length, "max_length", max_length, minimum=1)
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=1)
        longest = max(max_length, *self.evaluation_lengths)
        if longest > MOST_DIGITS:
            raise ValueError(f"a length is {longest}, but numbers are said up to {MOST_DIGITS} digits: give less")
        if language not in ("english", "german"):
            raise ValueError(f"language is {language!r}; give english or german")
        self.language = language
        self.min_length, self.max_length = min_length, max_length
        self.length_unit = "digits"
        digits = tuple("0123456789")
        if language == "english":
            self.vocabulary = (*digits, *_ENGLISH, *_ENGLISH_TENS, "hundred", "thousand", "million")
        else:
            joints = ("eins", "eine", "und", "hundert", "tausend", "million", "millionen")
            self.vocabulary = (*digits, *_GERMAN, *_GERMAN_TENS, *joints)

    def pair(self, length: int, drawn: Sequence[int]) -> tuple[Words, Words]:
        """A number in digits and in words."""
        if length > MOST_DIGITS:
            raise ValueError(f"length is {length}, but numbers are said up to {MOST_DIGITS} digits: give less")
        digits = [str(d % 10) for d in drawn]
        if length > 1:
            digits[0] = str(1 + drawn[0] % 9)
        number = int("".join(digits))
        return tuple(digits), english_words(number) if self.language == "english" else german_words(number)
