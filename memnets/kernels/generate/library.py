"""A generated program seen from Python: its structure of arguments, and tensors as pointers."""

import ctypes
from collections.abc import Sequence
from typing import Any

from torch import Tensor

_Pointers = ctypes.POINTER(ctypes.c_void_p)
_Numbers = ctypes.POINTER(ctypes.c_int64)


class Args(ctypes.Structure):
    """Mirrors ``Args`` in driver.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "steps", "every", "keep", "threads")),
        *((name, ctypes.c_int64) for name in ("x_step", "x_row", "out_step", "out_row")),
        ("lengths", _Numbers),
        *((name, ctypes.c_void_p) for name in ["x", "out"]),
        ("params", _Pointers),
        ("starts", _Pointers),
        ("first", _Pointers),
        ("first_rows", _Numbers),
        ("last", _Pointers),
        *((name, ctypes.c_void_p) for name in ("records", "big", "packed", "scratch")),
        *((name, ctypes.c_void_p) for name in ("d_out", "d_x", "d_records", "sums")),
    ]


def load(path: str) -> ctypes.CDLL:
    """The library at ``path``.

    Raises:
        OSError: it cannot be loaded, or was built from other sources.
    """
    library = ctypes.CDLL(path)
    library.memnets_args_size.restype = ctypes.c_int64
    if library.memnets_args_size() != ctypes.sizeof(Args):
        raise OSError(f"{path} was built from other sources")
    pointer = ctypes.POINTER(Args)
    library.memnets_sizes.argtypes = [pointer, ctypes.c_int64, _Numbers]
    library.memnets_sizes.restype = None
    for name in ("memnets_forward", "memnets_backward"):
        getattr(library, name).argtypes = [pointer]
        getattr(library, name).restype = None
    return library


def pointers(tensors: Sequence[Tensor | None]) -> Any:
    """A C array of the tensors' addresses; None becomes null."""
    return (ctypes.c_void_p * max(len(tensors), 1))(*(None if t is None else t.data_ptr() for t in tensors))


def numbers(values: Sequence[int]) -> Any:
    """A C array of whole numbers."""
    return (ctypes.c_int64 * max(len(values), 1))(*values)
