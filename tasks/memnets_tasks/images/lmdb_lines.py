"""Lines of text in an LMDB environment, as programs for text recognition keep them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memnets.base.regular_files import UnusableFile, open_within
from memnets_tasks.images.list_files import MAX_CHARACTERS
from memnets_tasks.images.lmdb_file import DamagedLmdb, LmdbFile
from memnets_tasks.images.pictures import MAX_BYTES, UnreadableImage
from memnets_tasks.images.skipped_items import SkippedItems

COUNT = b"num-samples"

MAX_LABEL_BYTES = 4 * MAX_CHARACTERS


class LmdbLines:
    """Images and labels under ``image-%09d`` and ``label-%09d``, counted from 1 to the number at ``num-samples``.

    A copy that is sent to another process opens the file for itself, when it first reads.

    Args:
        path: The folder that holds ``data.mdb``, or a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._opened: LmdbFile | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_opened": None}

    def read(self, key: str) -> bytes:
        """The bytes of an image; raises UnreadableImage if there are none."""
        try:
            file = self._file()
            entry = file.get(key.encode())
            if entry is None:
                raise UnreadableImage("image is not there", key)
            return file.value(entry, MAX_BYTES)
        except DamagedLmdb as error:
            raise UnreadableImage("image cannot be read", str(error)) from error

    def labels(self, skipped: SkippedItems) -> list[tuple[str, bytes]]:
        """The key of each image, with its label as it is stored; what lacks either is skipped.

        Raises:
            ValueError: If this is no LMDB environment or a damaged one, or ``num-samples`` is no count of its entries.
        """
        try:
            return list(self._pairs(self._file(), skipped))
        except DamagedLmdb as error:
            raise ValueError(
                f"path is {self.path!r}, which is no LMDB environment that can be read: {error}; give the folder that "
                "holds data.mdb, or the file, and copy or download it again where it is damaged"
            ) from error

    def _pairs(self, file: LmdbFile, skipped: SkippedItems) -> Iterator[tuple[str, bytes]]:
        count = self._count(file)
        has_image = bytearray(count + 1)
        labels: dict[int, bytes | None] = {}  # None where one is too long
        label_bytes = 0
        for entry in file:
            kind, number = entry.key[:6], _number(entry.key)
            if number is None or not 1 <= number <= count:
                continue
            if kind == b"image-":
                has_image[number] = True
            elif kind == b"label-":
                too_long = entry.size > MAX_LABEL_BYTES
                labels[number] = None if too_long else file.value(entry, MAX_LABEL_BYTES)
                label_bytes += 0 if too_long else entry.size
                if label_bytes > file.size:
                    raise DamagedLmdb("its labels are larger than the file, as they lie one upon the other")
        for number in range(1, count + 1):
            image = f"image-{number:09d}"
            if number not in labels:
                skipped.add(image, "label is not there")
            elif not has_image[number]:
                skipped.add(image, "image is not there")
            elif (label := labels.pop(number)) is None:
                skipped.add(image, f"label is longer than {MAX_CHARACTERS} characters")
            else:
                yield image, label

    def _count(self, file: LmdbFile) -> int:
        """What is under ``num-samples``."""
        entry = file.get(COUNT)
        value = b"" if entry is None else file.value(entry, MAX_BYTES)[:20]
        text = None if entry is None else value.decode("ascii", "replace")
        if text is None or not (text.isascii() and text.isdigit()):
            raise ValueError(
                f"{self.path} has {text!r} under num-samples; give an LMDB of text lines, with keys num-samples, "
                "image-000000001, label-000000001 and so on"
            )
        most = min(file.entries, file.size // 10)  # an entry takes more than ten bytes, whatever the database says
        if int(text) > most:
            raise ValueError(
                f"{self.path} has {text} under num-samples, but no more than {most} entries; copy or download it again"
            )
        return int(text)

    def _file(self) -> LmdbFile:
        if self._opened is None:
            folder, name = (self.path, "data.mdb") if os.path.isdir(self.path) else os.path.split(self.path)
            try:
                self._opened = LmdbFile(open_within(Path(folder or "."), name))
            except UnusableFile as error:
                raise DamagedLmdb(f"its {name} {error}") from error
        return self._opened


def _number(key: bytes) -> int | None:
    """The number of ``image-%09d`` or ``label-%09d``; None where the key is no such."""
    digits = key[6:]
    if not digits.isdigit() or len(digits) < 9 or (len(digits) > 9 and digits[:1] == b"0"):
        return None
    return int(digits)
