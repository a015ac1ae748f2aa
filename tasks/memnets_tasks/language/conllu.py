"""Tagged sentences from files in the CoNLL-U format of Universal Dependencies."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, final

from memnets_tasks._checks import check_at_least
from memnets_tasks.language.sequences import Example, ExampleTask, part, read_file

COLUMNS = {"form": 1, "upos": 3, "xpos": 4}


@lru_cache(maxsize=8)
def read_conllu(path: str, tag: str) -> tuple[list[Example], dict[str, int]]:
    """The sentences of a file, words in lower case with their tags, and how many were left out by reason.

    Comments, ranges of words that were run together (``1-2``) and empty nodes (``1.1``) are passed over.

    Args:
        path: The file.
        tag: "upos" or "xpos".

    Raises:
        ValueError: The file cannot be read.
    """
    text = read_file(path, "a UTF-8 file in the CoNLL-U format")
    examples, skipped = [], Counter[str]()
    for block in text.replace("\r\n", "\n").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n") if line and not line.startswith("#")]
        rows = [row for row in rows if not re.fullmatch(r"\d+[-.]\d+", row[0])]
        if not rows:
            continue
        if any(len(row) != 10 or not row[0].isdigit() for row in rows):
            skipped["a line without ten columns"] += 1
        elif any(row[COLUMNS[tag]] in ("", "_") or not row[COLUMNS["form"]] for row in rows):
            skipped[f"a word without {tag}"] += 1
        else:
            words = tuple(row[COLUMNS["form"]].lower() for row in rows)
            examples.append(Example(words, tuple(row[COLUMNS[tag]] for row in rows)))
    return examples, dict(skipped)


@final
class ConlluTagging(ExampleTask):
    """Tag each word of the sentences of CoNLL-U files with its part of speech. The length is the number of words.

    Args:
        path: Of the training sentences.
        validation: Of those to validate on; with ``test``, or every twentieth of ``path`` is kept for each.
        test: Of those to test on.
        tag: "upos", the universal tags, or "xpos", those of the language.
        min_count: Words seen less often in training are unknown.
        evaluation_lengths: Words of the sentences that are tested on.

    Raises:
        ValueError: A file cannot be read or holds too few sentences; the message says what was left out.
    """

    def __init__(
        self,
        path: str,
        validation: str | None = None,
        test: str | None = None,
        tag: Literal["upos", "xpos"] = "upos",
        min_count: int = 2,
        evaluation_lengths: Sequence[int] = (10, 25),
    ) -> None:
        check_at_least("min_count", min_count, 1)
        if tag not in ("upos", "xpos"):
            raise ValueError(f"tag is {tag!r}; give upos or xpos")
        if (validation is None) != (test is None):
            raise ValueError(f"validation is {validation!r} and test {test!r}; give both or neither")
        skipped: Counter[str] = Counter()
        files = {"train": path}
        if validation is not None and test is not None:
            files |= {"validation": validation, "test": test}
        read = {name: read_conllu(file, tag) for name, file in files.items()}
        for _, own in read.values():
            skipped.update(own)
        parts = {name: examples for name, (examples, _) in read.items()}
        self.length_unit = "words"
        self.take_examples(
            parts if len(parts) == 3 else part(parts["train"]),
            min_count=min_count,
            evaluation_lengths=evaluation_lengths,
            skipped=skipped,
            where=path,
        )
