"""Texts with labels from a CSV file."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, final

from memnets.base.terminal import escaped
from memnets_tasks._checks import check_at_least
from memnets_tasks.language.pair_files import words_of
from memnets_tasks.language.sequences import Example, ExampleTask, part, read_file


@lru_cache(maxsize=4)
def _read(path: str, columns: tuple[str, str], level: str, most: int) -> tuple[list[Example], dict[str, int]]:
    text = read_file(path, "a UTF-8 file of comma-separated values with a line of names first")
    rows = csv.DictReader(io.StringIO(text))
    examples, skipped = [], Counter[str]()
    try:
        names = rows.fieldnames or []
        missing = [column for column in columns if column not in names]
        if missing:
            found = escaped(", ".join(names)[:200]) or "none"
            raise ValueError(f"{path} has no column {missing[0]!r}, but {found}; name one of these")
        for row in rows:
            content, label = (row[column] for column in columns)
            symbols = _symbols(content or "", level)[:most]
            if not symbols or not (label or "").strip():
                skipped["an empty text or label"] += 1
            else:
                examples.append(Example(symbols, (label.strip(),)))
    except csv.Error as error:
        raise ValueError(f"{path} is damaged at line {rows.line_num} ({error}); mend it") from error
    return examples, dict(skipped)


def _symbols(text: str, level: str) -> tuple[str, ...]:
    return words_of(text) if level == "words" else tuple(unicodedata.normalize("NFC", text.strip()))


@final
class LabelledCSV(ExampleTask):
    """Say after the last word, or character, of a text which label it has.

    Every twentieth row is kept for validation and every twentieth for the test. The length is the number of words, or
    characters.

    Args:
        path: The file, in UTF-8, whose first line names its columns.
        text_column: The column of the texts.
        label_column: The column of the labels.
        level: "words", in lower case with punctuation apart, or "characters".
        max_symbols: Words or characters of a text that are read at most.
        min_count: Those seen less often in training are unknown.
        evaluation_lengths: Lengths of the texts that are tested on.

    Raises:
        ValueError: The file cannot be read, lacks a column, or has too few rows; the message says what was left out.
    """

    threshold = 0.05

    def __init__(
        self,
        path: str,
        text_column: str = "text",
        label_column: str = "label",
        level: Literal["words", "characters"] = "words",
        max_symbols: int = 200,
        min_count: int = 2,
        evaluation_lengths: Sequence[int] = (10, 40),
    ) -> None:
        check_at_least("min_count", min_count, 1)
        check_at_least("max_symbols", max_symbols, 1)
        if level not in ("words", "characters"):
            raise ValueError(f"level is {level!r}; give words or characters")
        self.joint = " " if level == "words" else ""
        self.length_unit = level
        examples, skipped = _read(path, (text_column, label_column), level, max_symbols)
        self.take_examples(
            part(examples),
            min_count=min_count,
            evaluation_lengths=evaluation_lengths,
            skipped=Counter(skipped),
            where=path,
        )
