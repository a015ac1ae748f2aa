"""Which language a name is of, character by character: files of names, or names of made-up languages."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from memnets_tasks._checks import check_at_least
from memnets_tasks.language.sequences import Example, ExampleTask, part

GENERATED = 400
"""Names of each made-up language."""


class _Language(NamedTuple):
    """Syllables begin, go on and end a name; several languages share most of them."""

    first: str
    middle: str
    last: str


_LANGUAGES = {
    "Arvian": _Language("ka ro mi te la be so", "ri na lo ve ta mi ka", "ov ev ski in sky"),
    "Belmese": _Language("ka mi sa ta na hi yo", "ri ka mo shi na ta ko", "ko shi ro ta mi"),
    "Corani": _Language("ro mi la be so ve gi", "ri na lo ve ta co ni", "ni lo ti ri no cci"),
    "Dorish": _Language("mac mc ro be dun ken al", "ri na lo ka do ni", "son ley dy ness ton"),
    "Estish": _Language("schu ro be ka wei hoff ber", "le ri ne ma be ge", "mann er berg stein bach"),
    "Fenic": _Language("la ko ma ta vi hei", "ri na lo ka ti va", "nen la inen maki ri"),
}


@lru_cache(maxsize=4)
def _read(folder: str | None) -> tuple[list[Example], dict[str, int]]:
    """All names with their languages, and what was left out."""
    skipped: Counter[str] = Counter()
    examples: dict[Example, None] = {}
    languages = [*_made_up().items()] if folder is None else _files(Path(folder).expanduser(), skipped)
    for language, lines in languages:
        for line in lines:
            example = Example(tuple(unicodedata.normalize("NFC", line.strip())), (language,))
            if not example.symbols:
                skipped["an empty line"] += 1
            elif example in examples:
                skipped["there already"] += 1
            else:
                examples[example] = None
    return list(examples), dict(skipped)


def _made_up() -> dict[str, list[str]]:
    drawn = np.random.default_rng(0)
    made = {}
    for language, parts in _LANGUAGES.items():
        first, middle, last = (part.split() for part in parts)
        names = (
            [drawn.choice(first), *drawn.choice(middle, drawn.integers(0, 3)), drawn.choice(last)]
            for _ in range(GENERATED)
        )
        made[language] = ["".join(name).capitalize() for name in names]
    return made


def _files(folder: Path, skipped: Counter[str]) -> list[tuple[str, list[str]]]:
    from memnets.base.regular_files import UnusableFile, read_within

    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give one of files such as Italian.txt, a name a line")
    found = []
    for name in sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".txt")):
        try:
            text = read_within(folder, name, 1 << 26).decode("utf-8").removeprefix("\ufeff")
        except (UnusableFile, UnicodeDecodeError) as error:
            skipped[f"a file {error.reason if isinstance(error, UnusableFile) else 'is no UTF-8'}"] += 1
        else:
            found.append((name.removesuffix(".txt"), text.splitlines()))
    return found


@final
class Names(ExampleTask):
    """Say after the last character of a name which language it is of.

    Reads a folder as of the PyTorch tutorial: a file a language, ``Italian.txt``, with a name a line. Every twentieth
    name is kept for validation and every twentieth for the test; a name that comes again in a language counts once. The
    length is the number of characters.

    Args:
        folder: The folder; None for made-up names of six languages that share most of their syllables.
        min_count: Characters seen less often in training are unknown.
        evaluation_lengths: Characters of the names that are tested on.

    Raises:
        ValueError: The folder cannot be read, or holds too few names; the message says what was left out.
    """

    joint = ""
    threshold = 0.05

    def __init__(
        self, folder: str | None = None, min_count: int = 2, evaluation_lengths: Sequence[int] = (6, 9)
    ) -> None:
        check_at_least("min_count", min_count, 1)
        examples, skipped = _read(folder)
        self.length_unit = "characters"
        self.take_examples(
            part(examples),
            min_count=min_count,
            evaluation_lengths=evaluation_lengths,
            skipped=Counter(skipped if folder is not None else {}),
            where=str(folder),
        )
