"""The launches of a program's kernels, with the tensors they need. Nothing here knows of autograd."""

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..generate import library
from ..generate.given import all_dense, checked, laid_out, output_gradient, room, state_gradient
from ..generate.library import pointers
from ..generate.products import input_gradient, parameter_gradients, shares_of_inputs
from ..kernel import Gradients
from .source import ARGUMENTS

PACKING = 128
"""Blocks that copy matrices side by side."""


class Launcher(Protocol):
    """Runs the kernels of a program that was compiled."""

    def __call__(self, kernel: str, blocks: int, threads: int, shared: int, arguments: array) -> None:
        """Start ``kernel`` with ``shared`` bytes for the threads of each block; it ends before what comes after it."""


class Loaded(NamedTuple):
    """A program that can be called.

    Attributes:
        launch: runs its kernels.
        layout: what is known of it (see ``source.build``).
        dtype: of its numbers.
        device: where it runs.
    """

    launch: Launcher
    layout: dict[str, Any]
    dtype: torch.dtype
    device: torch.device


def shapes(
    program: Loaded, inputs: Tensor, state: Sequence[Tensor], keep: bool
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Tensors like those that :func:`forward` gives, empty."""
    steps, batch, _ = inputs.shape
    outputs = inputs.new_empty(batch, steps, program.layout["outputs"]).transpose(0, 1)
    kept = [inputs.new_empty(s, dtype=program.dtype) for s in _kept_shapes(program, steps, batch, keep)]
    return outputs, [s.new_empty(s.shape) for s in state], kept


def _kept_shapes(program: Loaded, steps: int, batch: int, keep: bool) -> list[tuple[int, ...]]:
    """Of the records, and of the large parts of the state before each step."""
    layout = program.layout
    return [(steps + 1, batch, layout["record"]), (steps, batch, layout["big"])] if keep else [(0, 0, 0), (0, 0, 0)]


def _lengths(lengths: Sequence[int] | None, like: Tensor) -> Tensor | None:
    return None if lengths is None else torch.tensor(lengths, dtype=torch.int64, device=like.device)


def _launch(program: Loaded, name: str, numbers: dict[str, int], tables: Sequence[Sequence[int]], like: Tensor) -> None:
    """Packs the matrices and runs the kernel of that name."""
    sizes, batch = program.layout[name], like.shape[1]
    packed = library.empty(like, sizes["packed"], spare=0)
    scratch = library.empty(like, batch * sizes["scratch"], spare=0)
    numbers |= {"steps": like.shape[0], "batch": batch, "x_step": like.stride(0), "x_row": like.stride(1)}
    numbers |= {"x": like.data_ptr(), "packed": packed.data_ptr(), "scratch": scratch.data_ptr()}
    arguments = array("q", [numbers.get(argument, 0) for argument in ARGUMENTS])
    for table in tables:
        arguments.extend(table)
    threads = program.layout["threads"]
    if sizes["packed"]:
        program.launch(f"memnets_pack_{name}", PACKING, threads, 0, arguments)
    program.launch(f"memnets_{name}", batch, threads, sizes["shared"] * program.dtype.itemsize, arguments)


def _at(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _tables(
    program: Loaded,
    parameters: Sequence[Tensor],
    starts: Sequence[Tensor],
    first: Sequence[Tensor | None],
    apart: array,
    last: Sequence[Tensor | None],
) -> list[array]:
    """What follows the first arguments, with the sizes that the program's text gives them."""
    none = array("q", [0] * (len(program.layout["products"]) + 1 - len(starts)))
    given = pointers(parameters) or array("q", [0])
    return [given, pointers(starts) + none, pointers(first), apart, pointers(last)]


def forward(
    program: Loaded,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
    keep: bool,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The whole sequence.

    Args:
        program: the cell's.
        inputs: ``(T, B, I)``.
        state: each of its tensors, ``(B, ...)``.
        parameters: as the trace's prologue gives them.
        lengths: of the sequences, longest first, or None.
        keep: whether :func:`backward` follows.

    Returns:
        The outputs ``(T, B, F)``, the state after each sequence's last step, and what was kept.
    """
    inputs, state, apart, parameters = checked(program, inputs, state, parameters, lengths)
    layout, (steps, batch, _), ragged = program.layout, inputs.shape, lengths is not None
    inputs, rows = laid_out(inputs, keep)
    starts = shares_of_inputs(layout, rows, parameters)
    shape = batch, steps, layout["outputs"]  # as users have it
    outputs = inputs.new_zeros(shape) if ragged else library.empty(inputs, *shape, spare=0)
    last = [library.empty(inputs, batch, *s, spare=0) for s in layout["state_shapes"]]
    record, big = _kept_shapes(program, steps, batch, keep)
    kept = [room(inputs, ragged, *record), library.empty(inputs, *big)]
    ends = _lengths(lengths, inputs)
    numbers = {
        **{"keep": int(keep), "out_step": shape[2], "out_row": steps * shape[2], "lengths": _at(ends)},
        **{"out": outputs.data_ptr(), "records": kept[0].data_ptr(), "big": kept[1].data_ptr()},
    }
    _launch(program, "forward", numbers, _tables(program, parameters, starts, state, apart, last), inputs)
    return outputs.transpose(0, 1), last, kept


def backward(
    program: Loaded,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
    kept: Sequence[Tensor],
    d_outputs: Tensor,
    d_last: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> Gradients:
    """The gradients; arguments as those of :meth:`memnets.kernels.kernel.Kernel.backward`."""
    inputs, state, apart, parameters = checked(program, inputs, state, parameters, lengths)
    layout, (steps, batch, _), ragged = program.layout, inputs.shape, lengths is not None
    shapes = [(batch, *shape) for shape in layout["state_shapes"]]
    inputs, _ = laid_out(inputs, True)
    records, big = all_dense(program, "what forward kept", kept, _kept_shapes(program, steps, batch, True))
    d_outputs = output_gradient(program, d_outputs, (steps, batch, layout["outputs"]))
    d_last = state_gradient(program, d_last, shapes)
    d_state = [
        library.empty(inputs, *s, spare=0) if need else None for s, need in zip(shapes, needs[1 : 1 + len(shapes)])
    ]
    d_records = room(inputs, ragged, steps, batch, layout["d_record"])
    d_x = room(inputs, ragged, *inputs.shape) if layout["has_dx"] else None
    sums = library.empty(inputs, batch, layout["accumulators"])
    ends = _lengths(lengths, inputs)
    numbers = {
        **{"keep": 1, "out_step": d_outputs.stride(0), "out_row": d_outputs.stride(1), "lengths": _at(ends)},
        **{"records": records.data_ptr(), "big": big.data_ptr(), "d_out": d_outputs.data_ptr(), "d_x": _at(d_x)},
        **{"d_records": d_records.data_ptr(), "sums": sums.data_ptr()},
    }
    _launch(program, "backward", numbers, _tables(program, parameters, [], d_last, apart, d_state), inputs)
    total = sums[0] if batch == 1 else sums.sum(0)
    wanted = needs[1 + len(shapes) :]
    grads = parameter_gradients(layout, inputs, records, d_records, total, parameters, wanted)
    return Gradients(input_gradient(layout, inputs, parameters, d_records, d_x) if needs[0] else None, d_state, grads)
