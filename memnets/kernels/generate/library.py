"""A generated program seen from Python: its structure of arguments, and tensors as pointers."""

import ctypes
import math
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

_COUNTS = ("batch", "steps", "keep", "threads", "x_step", "x_row", "out_step", "out_row")
_POINTERS = (
    *("lengths", "x", "out", "params", "starts", "first", "first_rows", "last", "records", "big", "packed", "scratch"),
    *("d_out", "d_x", "d_records", "sums", "grads"),
)


class Args(ctypes.Structure):
    """Mirrors ``Args`` in driver.h."""

    _fields_ = [*((name, ctypes.c_int64) for name in _COUNTS), *((name, ctypes.c_void_p) for name in _POINTERS)]


class Compiled(NamedTuple):
    """A program that can be called.

    Attributes:
        library: with ``memnets_forward`` and ``memnets_backward``.
        layout: what is known of it (see ``program.build``).
        dtype: of its numbers.
        device: the CPU.
        rooms: of a call that keeps nothing, one that keeps, and one back: how many numbers ``packed`` holds, and
            ``scratch`` for each thread.
    """

    library: ctypes.CDLL
    layout: dict[str, Any]
    dtype: torch.dtype
    device: torch.device
    rooms: list[tuple[int, int]]


def load(path: str, layout: dict[str, Any], dtype: torch.dtype) -> Compiled:
    """The program at ``path``.

    Raises:
        OSError: it cannot be loaded, or was built from other sources.
    """
    library = ctypes.CDLL(path)
    library.memnets_args_size.restype = ctypes.c_int64
    if library.memnets_args_size() != ctypes.sizeof(Args):
        raise OSError(f"{path} was built from other sources")
    for name in ("memnets_forward", "memnets_backward"):
        getattr(library, name).argtypes = [ctypes.POINTER(Args)]
        getattr(library, name).restype = None
    library.memnets_sizes.argtypes = [ctypes.c_void_p]
    library.memnets_sizes.restype = None
    sizes = array("q", [0] * 6)
    library.memnets_sizes(address(sizes))
    return Compiled(library, layout, dtype, torch.device("cpu"), list(zip(sizes[::2], sizes[1::2])))


SPARE = 16
"""Numbers behind an array that whole vectors may read."""


def empty(like: Tensor, *shape: int, spare: int = SPARE) -> Tensor:
    """Every buffer is made here, so that a test can poison them all."""
    if not spare:
        return like.new_empty(shape)
    size = math.prod(shape)
    return like.new_empty(size + spare)[:size].view(shape)


def pointers(tensors: Sequence[Tensor | None]) -> array:
    """The tensors' addresses, side by side as C takes them; None becomes null."""
    return array("q", [0 if t is None else t.data_ptr() for t in tensors])


def address(numbers: array) -> int:
    """Where the numbers of an array lie, while it lives."""
    return numbers.buffer_info()[0]
