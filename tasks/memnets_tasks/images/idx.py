"""IDX files, the format of MNIST: images and labels as whole numbers from 0 to 255."""

import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from memnets.base.regular_files import UnusableFile, read_within

MOST_BYTES = 1 << 28
"""Largest file, unpacked; MNIST's largest has 47 million bytes."""

_UNSIGNED_BYTES = 8


def read_idx(folder: Path, name: str, dimensions: int) -> Tensor:
    """The numbers of one file of a folder, ``name`` or ``name.gz``: uint8, with so many dimensions.

    Args:
        folder: Where it lies; nothing outside is read.
        name: Such as "train-images-idx3-ubyte".
        dimensions: 3 for images ``(n, rows, columns)``, 1 for labels ``(n,)``.

    Raises:
        ValueError: If neither is there, or it is damaged, of another kind, or too large; in one line, with the path.
    """
    for candidate in (name, f"{name}.gz"):
        try:
            data = read_within(folder, candidate, MOST_BYTES)
        except UnusableFile as error:
            if error.reason == "is not there":
                continue
            raise ValueError(
                f"{folder / candidate} {error}; give MNIST's own files, or others of that format"
            ) from error
        try:
            return parse_idx(_unpacked(data) if data[:2] == b"\x1f\x8b" else data, dimensions)
        except ValueError as error:
            raise ValueError(f"{folder / candidate} {error}") from error
    raise ValueError(f"{folder} holds no {name} and no {name}.gz; give the folder of MNIST's four files")


def parse_idx(data: bytes, dimensions: int) -> Tensor:
    """The numbers of an IDX file's bytes.

    Raises:
        ValueError: If they are no IDX file of unsigned bytes with so many dimensions, or not as many as it says.
    """
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise ValueError(f"has {len(data)} bytes, too few for the head of an IDX file; get the file again")
    wanted = bytes([0, 0, _UNSIGNED_BYTES, dimensions])
    if data[:4] != wanted:
        raise ValueError(
            f"begins with {data[:4].hex()}, but an IDX file of this kind with {wanted.hex()}; give another"
        )
    sizes = [int(size) for size in np.frombuffer(data, ">u4", dimensions, 4)]
    if math.prod(sizes) != len(data) - start:
        shape = " x ".join(map(str, sizes))
        raise ValueError(f"says that it holds {shape} bytes, but holds {len(data) - start}; get the file again")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=start).copy()).view(sizes)


def _unpacked(data: bytes) -> bytes:
    """What a gzip file holds; no more of it than ``MOST_BYTES`` is ever in memory."""
    machine = zlib.decompressobj(wbits=31)
    try:
        unpacked = machine.decompress(data, MOST_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"is no whole gzip file ({error}); get it again") from error
    if len(unpacked) > MOST_BYTES:
        raise ValueError(f"unpacks to more than {MOST_BYTES} bytes; give a smaller file")
    if not machine.eof:
        raise ValueError("is no whole gzip file; get it again")
    return unpacked
