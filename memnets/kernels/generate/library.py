"""A generated program in C seen from Python: its structure of arguments, and tensors as pointers."""

import ctypes
import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .tables import EVERY

if TYPE_CHECKING:
    from .calls import Backward, Forward

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

    @property
    def every(self) -> int:
        """How many steps apart the large parts of the state are kept."""
        return EVERY

    def forward(self, call: "Forward") -> None:
        """See :class:`memnets.kernels.generate.calls.Program`."""
        args, held = self._arguments(int(call.kept is not None), call)
        if call.kept is not None:
            args.records, args.big = call.kept.records.data_ptr(), call.kept.big.data_ptr()
        args.out, args.out_step = call.out.data_ptr(), call.out.shape[2]
        args.out_row = call.out.shape[1] * call.out.shape[2]
        tables = pointers(call.starts), pointers(call.first), call.apart, pointers(call.last)
        args.starts, args.first, args.first_rows, args.last = map(address, tables)
        self.library.memnets_forward(args)
        del held

    def backward(self, call: "Backward") -> list[Tensor | None]:
        """See :class:`memnets.kernels.generate.calls.Program`; the program adds to gradients itself."""
        args, held = self._arguments(2, call)
        sums = call.x.new_zeros(args.threads, self.layout["accumulators"])
        grads = [torch.zeros_like(p) if need else None for p, need in zip(call.parameters, call.needs)]
        tables = pointers(call.d_last), pointers(call.d_first), pointers(grads)
        args.first, args.last, args.grads = map(address, tables)
        args.records, args.big = call.kept.records.data_ptr(), call.kept.big.data_ptr()
        args.out_step, args.out_row = call.d_out.stride()[:2]
        args.d_out, args.d_records, args.sums = call.d_out.data_ptr(), call.d_records.data_ptr(), sums.data_ptr()
        args.d_x = None if call.d_x is None else call.d_x.data_ptr()
        self.library.memnets_backward(args)
        del held
        return grads

    def _arguments(self, kind: int, call: "Forward | Backward") -> tuple[Args, list[Any]]:
        """But for what differs between the calls, and what must outlive them; ``kind`` as in ``rooms``."""
        x = call.x
        steps, batch = x.shape[:2]
        threads = max(1, min(torch.get_num_threads(), batch))
        packed, scratch = self.rooms[kind]
        room = empty(x, packed, spare=0), empty(x, scratch * threads, spare=0)
        args = Args(batch, steps, int(kind > 0), threads, *x.stride()[:2], x=x.data_ptr())
        args.packed, args.scratch = room[0].data_ptr(), room[1].data_ptr()
        held = [pointers(call.parameters), *room]
        args.params = address(held[0])
        if call.lengths is not None:
            held.append(array("q", call.lengths))
            args.lengths = address(held[-1])
        return args, held


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
