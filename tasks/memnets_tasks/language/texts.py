"""A text to learn from: of a file, of a folder, or of Python's own standard library, in three parts."""

import os
import sysconfig
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

MOST_BYTES = 1 << 28
"""Largest file that is read."""

END = 0
"""The class of the end of a file, and of whatever character is left out; character n (from 0) is class n + 1."""

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""What stands for characters that are too rare to have a class of their own."""

PARTS = ("train", "validation", "test")

HELD_OUT = 20
"""One file of so many is kept for validation, and one for the test; of fewer files, that share of the text's end."""


class Text(NamedTuple):
    """A text as classes.

    Attributes:
        charset: its characters, the most frequent first.
        parts: by "train", "validation" and "test", the classes of the part's characters, int64, with :data:`END` after
            each file.
        skipped: files that could not be used, by reason.
    """

    charset: str
    parts: dict[str, Tensor]
    skipped: dict[str, int]


@lru_cache(maxsize=4)
def read_text(text: str | None, path: str | None, endings: tuple[str, ...], min_count: int, most: int | None) -> Text:
    """The text of a folder, of a file, or as it stands here.

    Args:
        text: itself; it is then all three parts.
        path: a file or a folder; None for the modules of Python's standard library.
        endings: of the files of a folder that are read.
        min_count: characters seen less often count as one unknown character.
        most: characters that are read at most, from the first file on; None for all.

    Raises:
        ValueError: there is no such file or folder, or nothing in it to read.
    """
    skipped: Counter[str] = Counter()
    folder = Path(sysconfig.get_paths()["stdlib"]) if path is None else Path(path).expanduser()
    if text is not None:
        texts = [unicodedata.normalize("NFC", text)[:most]]
    else:
        texts = list(_limited(_texts_of(folder, endings, skipped), most))
    if not any(texts):
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items()) or "no file has a character"
        where = "text" if text is not None else f"{folder}"
        raise ValueError(f"{where} holds nothing to read ({reasons}): give a file or folder of UTF-8 text")
    counts = Counter(character for part in texts for character in part)
    known = [character for character, count in counts.most_common() if count >= min_count]
    if not known:
        raise ValueError(f"min_count is {min_count}, but no character is as frequent: give less")
    charset = "".join(known)
    if len(known) < len(counts) and UNKNOWN not in charset:
        charset += UNKNOWN
    classes = [_classes(part, charset) for part in texts]
    return Text(charset, _parts(classes, whole=text is not None), dict(skipped))


def _texts_of(path: Path, endings: tuple[str, ...], skipped: Counter[str]) -> Iterator[str]:
    """The text of a file, or of each file of a folder that has one of the endings, by name."""
    from memnets.base.regular_files import UnusableFile, read_regular, read_within

    if not path.is_dir():
        try:
            yield _decode(read_regular(path, MOST_BYTES))
        except (UnusableFile, UnicodeDecodeError) as error:
            raise ValueError(f"{path} {_reason(error)}; give a file or folder of UTF-8 text") from error
        return
    names = sorted(entry.name for entry in os.scandir(path) if entry.name.endswith(endings) and not entry.is_dir())
    for name in names:
        try:
            yield _decode(read_within(path, name, MOST_BYTES))
        except (UnusableFile, UnicodeDecodeError) as error:
            skipped[_reason(error)] += 1


def _decode(data: bytes) -> str:
    """Text in the composed form, with line ends as they are on this system."""
    return unicodedata.normalize("NFC", data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n"))


def _reason(error: Exception) -> str:
    return getattr(error, "reason", "") if not isinstance(error, UnicodeDecodeError) else "is no UTF-8"


def _limited(texts: Iterator[str], most: int | None) -> Iterator[str]:
    """The texts up to so many characters in all."""
    left = most
    for text in texts:
        if left is not None and left <= 0:
            return
        yield text[:left]
        left = None if left is None else left - len(text)


def _classes(text: str, charset: str) -> np.ndarray:
    """A class for each character, and the end."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    table = np.full(max(map(ord, text + charset)) + 1, charset.find(UNKNOWN) + 1, dtype=np.int64)
    table[[ord(character) for character in charset]] = np.arange(1, len(charset) + 1)
    return np.append(table[points], END)


def _parts(files: list[np.ndarray], whole: bool) -> dict[str, Tensor]:
    """Three parts: of whole files where there are enough, of a stretch each where there are few, else one for all."""
    if not whole and len(files) >= HELD_OUT:
        kept = [file for n, file in enumerate(files, 1) if n % HELD_OUT not in (0, HELD_OUT // 2)]
        chosen = (kept, files[HELD_OUT // 2 - 1 :: HELD_OUT], files[HELD_OUT - 1 :: HELD_OUT])
    else:
        tape = np.concatenate(files)
        share = 0 if whole else len(tape) // HELD_OUT
        ends = [len(tape) - 2 * share, len(tape) - share]
        chosen = [[part] for part in np.split(tape, ends)] if share else [[tape]] * 3
    return {name: torch.from_numpy(np.concatenate(part)) for name, part in zip(PARTS, chosen)}
