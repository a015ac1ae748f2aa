"""From captions as they are written to their words: plainly, or as the common evaluation of captions splits them."""

import importlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

APOSTROPHES = str.maketrans("\u2019\uff07", "''")
"""Other ways of writing the same sign, so that "don't" is one word and not two."""


def words_of(caption: str) -> list[str]:
    """A caption's words: lower case, normal form C, without punctuation; letters and marks of any script are kept.

    Marks, such as the vowels of Hindi and Thai, are no word characters to a regular expression of their own. Text
    that puts no spaces between words, such as Chinese, comes out as one word for each run of letters: part it before.
    """
    text = unicodedata.normalize("NFC", caption.lower()).translate(APOSTROPHES)
    marks = "".join(sorted({character for character in text if unicodedata.category(character)[0] == "M"}))
    letters = rf"\w[\w{re.escape(marks)}]*"
    return re.findall(rf"{letters}(?:['\u200c\u200d-]{letters})*", text)


def official_words(captions: Sequence[str]) -> list[list[str]]:
    """The words of captions by the Penn Treebank tokeniser of ``pycocoevalcap``: "don't" is "do" and "n't".

    Its scores are those that papers report; with its words those computed here are the same.

    Raises:
        ImportError: it, or the Java that it runs in, is not there.
    """
    try:
        ptb: Any = importlib.import_module("pycocoevalcap.tokenizer.ptbtokenizer")
    except ImportError as error:
        raise ImportError(
            "tokenizer='official' needs pycocoevalcap and Java: pip install pycocoevalcap, or give tokenizer='plain'"
        ) from error
    if not captions:
        return []
    given = {n: [{"caption": " ".join(caption.translate(APOSTROPHES).split())}] for n, caption in enumerate(captions)}
    try:
        found: Any = ptb.PTBTokenizer().tokenize(given)
    except OSError as error:
        raise ImportError(
            f"tokenizer='official' runs Java in pycocoevalcap's folder, which failed ({error}): install Java, or give "
            "tokenizer='plain'"
        ) from error
    if len(found) != len(given):
        raise ImportError(
            f"pycocoevalcap's tokeniser gave {len(found)} captions for {len(given)}: see whether `java -version` "
            "works, or give tokenizer='plain'"
        )
    return [unicodedata.normalize("NFC", found[n][0]).split() for n in range(len(given))]


TOKENIZERS: dict[str, Callable[[Sequence[str]], list[list[str]]]] = {
    "plain": lambda captions: [words_of(caption) for caption in captions],
    "official": official_words,
}
"""From captions to the words of each."""
