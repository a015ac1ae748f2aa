"""The compiled kernel seen from Python: its structures, and tensors as pointers."""

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import build

_Pointers = ctypes.POINTER(ctypes.c_void_p)


def _fields(kind: Any, names: str) -> list[tuple[str, Any]]:
    return [(name, kind) for name in names.split()]


class _State(ctypes.Structure):
    _fields_ = _fields(ctypes.c_void_p, "hidden cell memory read_weights write_weights reads")


class Args(ctypes.Structure):
    """Mirrors ``Args`` in sequence.c."""

    _fields_ = [
        *_fields(ctypes.c_int64, "batch steps inputs hidden layers lstm"),
        *_fields(ctypes.c_int64, "slots width readers writers shifts every keep threads"),
        ("lengths", ctypes.POINTER(ctypes.c_int64)),
        *_fields(_Pointers, "weight_ih weight_hh bias"),
        *_fields(ctypes.c_void_p, "interface_weight interface_bias packed scratch"),
        *_fields(_State, "first last"),
        *_fields(ctypes.c_void_p, "gates cells lower outputs told weights cosines memories"),
        *_fields(ctypes.c_void_p, "d_outputs d_gates d_interface"),
    ]


@functools.cache
def load(dtype: torch.dtype) -> ctypes.CDLL:
    """The kernel for a dtype, compiled if need be.

    Raises:
        build.BuildError: it cannot be compiled or loaded.
    """
    path = build.library(dtype == torch.float64)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise build.BuildError(f"the compiled kernel cannot be loaded: {error}") from error
    for name, result in (("lanes", ctypes.c_int64), ("args_size", ctypes.c_int64)):
        getattr(library, f"memnets_{name}").restype = result
    pointer = ctypes.POINTER(Args)
    library.memnets_sizes.argtypes = [pointer, ctypes.c_int64, ctypes.POINTER(ctypes.c_int64)]
    library.memnets_sizes.restype = None
    for name in ("forward", "backward"):
        getattr(library, f"memnets_{name}").argtypes = [pointer]
        getattr(library, f"memnets_{name}").restype = None
    if library.memnets_args_size() != ctypes.sizeof(Args):
        raise build.BuildError(f"{path} was built from other sources: remove it")
    return library


def pointers(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p]:
    """A C array of the tensors' addresses; None becomes null."""
    return (ctypes.c_void_p * max(len(tensors), 1))(*(None if t is None else t.data_ptr() for t in tensors))


def state(tensors: Sequence[Tensor | None]) -> _State:
    """The six tensors of a state, in the order of the structure."""
    return _State(*(None if t is None else t.data_ptr() for t in tensors))
