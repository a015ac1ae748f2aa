"""Questions about a table in words, and what they ask."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

COLUMNS = ("apples", "pears", "plums", "nuts", "figs", "limes")
"""Names that columns are drawn from."""

NUMBER = "<number>"
SUM = ("the sum of {a}", "the total of {a}")
COUNT = ("the number of rows", "how many rows")
GREATER = ("{a} greater than <number>", "{a} above <number>")
LESSER = ("{a} less than <number>", "{a} below <number>")
PHRASES = (*SUM, *COUNT, *GREATER, *LESSER, "{a} minus where with and or")

KINDS = ("sum", "count", "sum where", "count where", "sum and", "count and", "sum or", "count or", "difference")
"""What may be asked: of all rows, of those of one condition, of two, and the difference of two sums."""

ASKED = KINDS[:4]
"""What is asked where nothing else is said: questions whose programs have up to two steps."""


class Condition(NamedTuple):
    """A column, whether its cells must be greater or lesser, and than what."""

    column: int
    greater: bool
    number: int


class Question(NamedTuple):
    """What is asked.

    Attributes:
        kind: one of ``KINDS``.
        columns: those that are summed; none to count.
        conditions: of the rows that take part.
        words: how it is asked; ``NUMBER`` stands for the number of each condition in turn.
    """

    kind: str
    columns: tuple[int, ...]
    conditions: tuple[Condition, ...]
    words: tuple[str, ...]


def ask(kind: str, names: Sequence[str], largest: int, random: np.random.Generator) -> Question:
    """A question of a kind about a table whose columns have these names, its cells at most ``largest`` from 0."""

    def phrase(choices: Sequence[str], column: int | None = None) -> str:
        text = choices[int(random.integers(len(choices)))]
        return text if column is None else text.format(a=names[column])

    if kind == "difference":
        one, other = random.permutation(len(names))[:2].tolist()
        words = f"{phrase(SUM, one)} minus {phrase(SUM, other)}"
        return Question(kind, (one, other), (), tuple(words.split()))
    summed = kind.startswith("sum")
    column = int(random.integers(len(names)))
    columns = (column,) if summed else ()
    text = phrase(SUM, column) if summed else phrase(COUNT)
    link = kind.split()[-1]
    conditions: tuple[Condition, ...] = ()
    if link in ("where", "and", "or"):
        ways = [True, False] if random.random() < 0.5 else [False, True]
        places = random.permutation(len(names)).tolist()
        most = largest * 4 // 5  # so that most conditions hold of some rows and not of others
        count = 1 if link == "where" else 2
        conditions = tuple(
            Condition(place, way, int(random.integers(-most, most + 1))) for place, way in zip(places, ways[:count])
        )
        said = [phrase(GREATER if c.greater else LESSER, c.column) for c in conditions]
        text += " where " + f" {link} ".join(said)
    return Question(kind, columns, conditions, tuple(text.split()))


def answer(question: Question, table: np.ndarray) -> int:
    """What a table ``(M, C)`` of whole numbers answers."""
    held = [table[:, c.column] > c.number if c.greater else table[:, c.column] < c.number for c in question.conditions]
    rows = np.ones(len(table), bool)
    if held:
        rows = np.any(held, axis=0) if question.kind.endswith("or") else np.all(held, axis=0)
    if not question.columns:
        return int(rows.sum())
    sums = [int(table[rows, column].sum()) for column in question.columns]
    return sums[0] - sums[1] if question.kind == "difference" else sums[0]


def all_words() -> tuple[str, ...]:
    """Every word of every question, names included, sorted."""
    words = {word for text in PHRASES for word in text.replace("{a}", "").split()}
    return tuple(sorted(words | set(COLUMNS)))
