"""Lines of text in an LMDB environment, as programs for text recognition keep them."""

import os
from pathlib import Path
from typing import Any

from memnets_tasks.images.pictures import UnreadableImage
from memnets_tasks.images.skipped_items import SkippedItems

COUNT = b"num-samples"

# One environment a process and path: LMDB allows no second, and none may cross a fork or be pickled.
_environments: dict[tuple[int, str], Any] = {}


def _close_inherited() -> None:
    """Give up what was open when this process was forked: it must not be read, and it bars opening anew."""
    for key in [key for key in _environments if key[0] != os.getpid()]:
        _environments.pop(key).close()


def _environment(path: str) -> Any:
    import lmdb

    key = os.getpid(), os.path.realpath(path)
    if key not in _environments:
        _close_inherited()
        try:
            opened = lmdb.open(
                path,
                subdir=os.path.isdir(path),
                readonly=True,
                create=False,
                lock=False,
                readahead=False,
                meminit=False,
            )
        except lmdb.Error as error:
            raise ValueError(
                f"path is {path!r}, which is no LMDB environment that can be read ({error}); give the folder that "
                "holds data.mdb, or the file"
            ) from error
        _environments[key] = _whole(opened, path)
    return _environments[key]


def _whole(environment: Any, path: str) -> Any:
    """The environment, unless its file is cut short: reading past the end of a mapped file kills the process."""
    file = os.path.join(path, "data.mdb") if os.path.isdir(path) else path
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = os.path.getsize(file)
    if size < needed:
        environment.close()
        raise ValueError(f"{file} is cut short: it has {size} bytes of {needed}; copy or download it again")
    return environment


class LmdbLines:
    """Images and labels under `image-%09d` and `label-%09d`, counted from 1 to the number at `num-samples`.

    Holds the path alone: each process opens the environment for itself, when it first reads.

    Args:
        path: The folder that holds `data.mdb`, or a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def read(self, key: str) -> bytes:
        """The bytes of an image; raises UnreadableImage if there are none."""
        with _environment(self.path).begin() as transaction:
            data = transaction.get(key.encode())
        if data is None:
            raise UnreadableImage("image is not there", key)
        return bytes(data)

    def labels(self, skipped: SkippedItems) -> list[tuple[str, bytes]]:
        """The key of each image, with its label as it is stored; what lacks either is skipped.

        Raises:
            ValueError: If this is no LMDB environment, or `num-samples` is no count.
        """
        found = []
        with _environment(self.path).begin(buffers=True) as transaction:
            for number in range(1, self._count(transaction) + 1):
                image = f"image-{number:09d}"
                label = transaction.get(f"label-{number:09d}".encode())
                if label is None:
                    skipped.add(image, "label is not there")
                elif transaction.get(image.encode()) is None:
                    skipped.add(image, "image is not there")
                else:
                    found.append((image, bytes(label)))
        return found

    def _count(self, transaction: Any) -> int:
        value = transaction.get(COUNT)
        text = None if value is None else bytes(value).decode("ascii", "replace")
        if text is None or not text.isdigit():
            raise ValueError(
                f"{self.path} has {text!r} under num-samples; give an LMDB of text lines, with keys num-samples, "
                "image-000000001, label-000000001 and so on"
            )
        return int(text)
