"""The two calls of a generated program, with the tensors they need. Nothing here knows of autograd."""

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..kernel import Gradients
from . import library
from .given import all_dense, checked, laid_out, output_gradient, room, state_gradient
from .library import Args, Compiled, address, pointers
from .products import input_gradient, shares_of_inputs
from .tables import EVERY


class Kept(NamedTuple):
    """What a backward pass needs of the forward pass."""

    records: Tensor  # (T + 1, B, record)
    big: Tensor  # (ceil(T / EVERY), B, big)


_NOTHING_KEPT = Kept(torch.empty(0), torch.empty(0))


def _arguments(
    program: Compiled, kind: int, x: Tensor, parameters: Sequence[Tensor], lengths: Sequence[int] | None
) -> tuple[Args, list[Any]]:
    """The structure but for what differs between the calls, and what must outlive it; ``kind`` as in ``rooms``."""
    steps, batch = x.shape[:2]
    threads = max(1, min(torch.get_num_threads(), batch))
    packed, scratch = program.rooms[kind]
    room = library.empty(x, packed, spare=0), library.empty(x, scratch * threads, spare=0)
    args = Args(batch, steps, int(kind > 0), threads, *x.stride()[:2], x=x.data_ptr())
    args.packed, args.scratch = room[0].data_ptr(), room[1].data_ptr()
    held = [pointers(parameters), *room]
    args.params = address(held[0])
    if lengths is not None:
        held.append(array("q", lengths))
        args.lengths = address(held[-1])
    return args, held


def shapes(
    program: Compiled, inputs: Tensor, state: Sequence[Tensor], keep: bool
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Tensors like those that :func:`forward` gives, empty."""
    steps, batch, _ = inputs.shape
    outputs = inputs.new_empty(batch, steps, program.layout["outputs"]).transpose(0, 1)
    record, big = _kept_shapes(program, steps, batch, keep)
    return outputs, [s.new_empty(s.shape) for s in state], [inputs.new_empty(record), inputs.new_empty(big)]


def _kept_shapes(program: Compiled, steps: int, batch: int, keep: bool) -> tuple[Any, Any]:
    layout = program.layout
    if not keep:
        return (0, 0, 0), (0, 0, 0)
    return (steps + 1, batch, layout["record"]), (-(-steps // EVERY), batch, layout["big"])


def forward(
    program: Compiled,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
    keep: bool,
) -> tuple[Tensor, list[Tensor], Kept]:
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
    args, held = _arguments(program, int(keep), inputs, parameters, lengths)
    starts = shares_of_inputs(layout, rows, parameters)
    shape = batch, steps, layout["outputs"]  # as users have it
    outputs = inputs.new_zeros(shape) if ragged else library.empty(inputs, *shape, spare=0)
    last = [library.empty(inputs, batch, *s, spare=0) for s in layout["state_shapes"]]
    kept = _NOTHING_KEPT
    if keep:
        record, big = _kept_shapes(program, steps, batch, keep)
        kept = Kept(room(inputs, ragged, *record), library.empty(inputs, *big))
        args.records, args.big = kept.records.data_ptr(), kept.big.data_ptr()
    args.out, args.out_step, args.out_row = outputs.data_ptr(), shape[2], steps * shape[2]
    tables = pointers(starts), pointers(state), apart, pointers(last)
    args.starts, args.first, args.first_rows, args.last = map(address, tables)
    program.library.memnets_forward(args)
    del held
    return outputs.transpose(0, 1), last, kept


def backward(
    program: Compiled,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
    kept: Sequence[Tensor],
    d_outputs: Tensor,
    d_last: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> Gradients:
    """The gradients.

    Args:
        program: and the following, as given to :func:`forward`.
        inputs: ``(T, B, I)``.
        state: the starting state.
        parameters: all of them.
        lengths: or None.
        kept: from :func:`forward`.
        d_outputs: ``(T, B, F)``.
        d_last: of the last state; None counts as zero.
        needs: for the inputs, each tensor of the state and each parameter, whether its gradient is wanted.
    """
    inputs, state, _, parameters = checked(program, inputs, state, parameters, lengths)
    layout, (steps, batch, _), ragged = program.layout, inputs.shape, lengths is not None
    shapes = [(batch, *shape) for shape in layout["state_shapes"]]
    inputs, _ = laid_out(inputs, True)
    kept = Kept(*all_dense(program, "what forward kept", kept, _kept_shapes(program, steps, batch, True)))
    d_outputs = output_gradient(program, d_outputs, (steps, batch, layout["outputs"]))
    d_last = state_gradient(program, d_last, shapes)
    args, held = _arguments(program, 2, inputs, parameters, lengths)
    d_state = [
        library.empty(inputs, *s, spare=0) if need else None for s, need in zip(shapes, needs[1 : 1 + len(shapes)])
    ]
    records = room(inputs, ragged, steps, batch, layout["d_record"])
    d_x = room(inputs, ragged, *inputs.shape) if layout["has_dx"] else None
    sums = inputs.new_zeros(args.threads, layout["accumulators"])
    grads = [torch.zeros_like(p) if need else None for p, need in zip(parameters, needs[1 + len(shapes) :])]
    tables = pointers(d_last), pointers(d_state), pointers(grads)
    args.first, args.last, args.grads = map(address, tables)
    args.records, args.big = kept.records.data_ptr(), kept.big.data_ptr()
    args.out_step, args.out_row = d_outputs.stride()[:2]
    args.d_out, args.d_records, args.sums = d_outputs.data_ptr(), records.data_ptr(), sums.data_ptr()
    args.d_x = None if d_x is None else d_x.data_ptr()
    program.library.memnets_backward(args)
    del held
    return Gradients(input_gradient(layout, inputs, parameters, records, d_x) if needs[0] else None, d_state, grads)
