"""The two calls of a generated program, with the tensors they need. Nothing here knows of autograd."""

import ctypes
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..checks import check_count, check_ranked, check_sequence, check_tensor, is_plain
from ..kernel import Gradients
from .library import Args, numbers, pointers
from .products import columns_of_rows, columns_of_weight, input_gradient, parameter_gradients

EVERY = 8
"""Large parts of the state are kept before each such step; those between are computed again on the way back."""

_CPU = torch.device("cpu")

SPARE = 16
"""Numbers behind an array that whole vectors may read."""


class Kept(NamedTuple):
    """What a backward pass needs of the forward pass."""

    records: Tensor  # (T + 1, B, record)
    big: Tensor  # (ceil(T / EVERY), B, big)


_NOTHING_KEPT = Kept(torch.empty(0), torch.empty(0))


class Compiled(NamedTuple):
    """A program that can be called: its library, what is known of it (see ``program.build``), and its numbers."""

    library: ctypes.CDLL
    layout: dict[str, Any]
    dtype: torch.dtype


def empty(like: Tensor, *shape: int, spare: int = SPARE) -> Tensor:
    """Every buffer is made here, so that a test can poison them all."""
    if not spare:
        return like.new_empty(shape)
    size = math.prod(shape)
    return like.new_empty(size + spare)[:size].view(shape)


def _room(like: Tensor, ragged: bool, *shape: int) -> Tensor:
    """A buffer over time: with lengths, what no step writes must be zero in products over all steps."""
    if not ragged:
        return empty(like, *shape)
    size = math.prod(shape)
    return like.new_zeros(size + SPARE)[:size].view(shape)


def _checked(
    program: Compiled,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
) -> tuple[Tensor, list[Tensor], list[int], list[Tensor]]:
    """Inputs, states with how far their samples lie apart, and parameters, once they are what the program was made for.

    All but the inputs are one block of numbers each.
    """
    check_sequence(inputs)
    steps, batch = inputs.shape[:2]
    check_ranked(lengths, steps, batch)
    check_tensor("inputs", inputs, (steps, batch, *program.layout["input_shape"]), program.dtype, _CPU)
    return (
        inputs.resolve_neg(),
        *_starting(program, state, batch),
        _all_dense(program, "parameters", parameters, program.layout["parameter_shapes"]),
    )


def _dense(program: Compiled, name: str, tensor: Tensor, shape: Sequence[int]) -> Tensor:
    check_tensor(name, tensor, shape, program.dtype, _CPU)
    return tensor.resolve_neg().contiguous()


def _all_dense(
    program: Compiled, name: str, tensors: Sequence[Tensor], shapes: Sequence[Sequence[int]]
) -> list[Tensor]:
    check_count(name, tensors, len(shapes))
    dtype, pairs = program.dtype, enumerate(zip(tensors, shapes))
    return [t if is_plain(t, s, dtype) else _dense(program, f"{name}[{k}]", t, s) for k, (t, s) in pairs]


def _starting(program: Compiled, state: Sequence[Tensor], batch: int) -> tuple[list[Tensor], list[int]]:
    """States without gaps, and how far their samples lie apart in each: by 0 where all share those of one."""
    shapes = program.layout["state_shapes"]
    check_count("state", state, len(shapes))
    found, apart = [], []
    for k, (tensor, shape) in enumerate(zip(state, shapes)):
        whole, shared = (batch, *shape), False
        if batch > 1 and is_plain(tensor, (1, *shape), program.dtype):
            shared = True
        elif not is_plain(tensor, whole, program.dtype):
            check_tensor(f"state[{k}]", tensor, whole, program.dtype, _CPU)
            shared = batch > 1 and not tensor.stride(0)
            tensor = (tensor[:1] if shared else tensor).resolve_neg().contiguous()
        found.append(tensor)
        apart.append(0 if shared else tensor.numel() // batch)
    return found, apart


def _starts(program: Compiled, rows: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """What the sums of products start from: the share of the inputs ``rows``, where no product takes them along."""
    arrays = []
    for product in program.layout["products"]:
        if product["start"] < 0:
            continue
        start, fresh = empty(rows, len(rows), product["size"]), True
        for base, param, turned, first, length, offset, step in product["terms"]:
            if base == "x":
                given = columns_of_rows(rows, offset, step, length)
                weight = columns_of_weight(parameters[param], turned, first, length).t()
                if fresh:
                    torch.mm(given, weight, out=start)
                else:
                    start.addmm_(given, weight)
                fresh = False
        arrays.append(start)
    return arrays


def _laid_out(inputs: Tensor, keep: bool) -> tuple[Tensor, Tensor, int, int]:
    """Inputs without gaps, the same as rows in the order in which they lie, and the strides of steps and samples.

    Where nothing is kept they may lie batch first, as users have them.
    """
    steps, batch, size = inputs.shape
    across = inputs.transpose(0, 1)
    if not keep and across.is_contiguous():
        return inputs, across.reshape(-1, size), size, steps * size
    inputs = inputs.contiguous()
    return inputs, inputs.view(-1, size), batch * size, size


def _arguments(
    shape: Sequence[int],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
    x: Tensor,
    x_step: int,
    x_row: int,
) -> tuple[Args, list[object]]:
    """The structure but for what differs between the calls, and what must outlive it."""
    steps, batch = shape[:2]
    held: list[object] = [pointers(parameters)]
    args = Args(batch=batch, steps=steps, every=EVERY, keep=1, threads=max(1, min(torch.get_num_threads(), batch)))
    args.x, args.x_step, args.x_row, args.params = x.data_ptr(), x_step, x_row, held[0]
    if lengths is not None:
        held.append(numbers(lengths))
        args.lengths = held[1]
    return args, held


def _add_room(args: Args, program: Compiled, like: Tensor, back: bool) -> list[Tensor]:
    sizes = numbers([0, 0])
    program.library.memnets_sizes(args, int(back), sizes)
    packed, scratch = empty(like, sizes[0], spare=0), empty(like, sizes[1] * args.threads, spare=0)
    args.packed, args.scratch = packed.data_ptr(), scratch.data_ptr()
    return [packed, scratch]


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


def _checked_kept(program: Compiled, kept: Sequence[Tensor], steps: int, batch: int) -> Kept:
    shapes = _kept_shapes(program, steps, batch, True)
    return Kept(*_all_dense(program, "what forward kept", kept, shapes))


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
    inputs, state, apart, parameters = _checked(program, inputs, state, parameters, lengths)
    layout, (steps, batch, _), ragged = program.layout, inputs.shape, lengths is not None
    inputs, rows, x_step, x_row = _laid_out(inputs, keep)
    args, held = _arguments((steps, batch), parameters, lengths, inputs, x_step, x_row)
    starts = _starts(program, rows, parameters)
    shape = batch, steps, layout["outputs"]  # as users have it
    outputs = (inputs.new_zeros(shape) if ragged else empty(inputs, *shape, spare=0)).transpose(0, 1)
    last = [empty(inputs, batch, *s, spare=0) for s in layout["state_shapes"]]
    record, big = _kept_shapes(program, steps, batch, keep)
    kept = Kept(_room(inputs, ragged, *record), empty(inputs, *big)) if keep else _NOTHING_KEPT
    args.keep, args.out, args.out_step, args.out_row = int(keep), outputs.data_ptr(), shape[2], steps * shape[2]
    held += [pointers(starts), pointers(state), numbers(apart), pointers(last), starts, state]
    args.starts, args.first, args.first_rows, args.last = held[-6:-2]
    if keep:
        args.records, args.big = kept.records.data_ptr(), kept.big.data_ptr()
    held += _add_room(args, program, inputs, False)
    program.library.memnets_forward(args)
    del held
    return outputs, last, kept


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
    inputs, state, _, parameters = _checked(program, inputs, state, parameters, lengths)
    layout, (steps, batch, _), ragged = program.layout, inputs.shape, lengths is not None
    shapes = [(batch, *shape) for shape in layout["state_shapes"]]
    inputs, rows, x_step, x_row = _laid_out(inputs, True)
    kept = _checked_kept(program, kept, steps, batch)
    check_tensor("the gradient of the outputs", d_outputs, (steps, batch, layout["outputs"]), program.dtype, _CPU)
    d_outputs = d_outputs.resolve_neg()
    d_outputs = d_outputs if d_outputs.stride(2) == 1 else d_outputs.contiguous()
    check_count("the gradient of the state", d_last, len(state))
    d_last = [
        None if d is None else _dense(program, f"the gradient of state[{k}]", d, shape)
        for k, (d, shape) in enumerate(zip(d_last, shapes))
    ]
    args, held = _arguments((steps, batch), parameters, lengths, inputs, x_step, x_row)
    d_state = [empty(inputs, *s, spare=0) if need else None for s, need in zip(shapes, needs[1 : 1 + len(shapes)])]
    records = _room(inputs, ragged, steps, batch, layout["d_record"])
    d_x = _room(inputs, ragged, *inputs.shape) if layout["has_dx"] else None
    sums = inputs.new_zeros(args.threads, layout["accumulators"])
    held += [pointers(d_last), pointers(d_state)]
    args.first, args.last = held[-2:]
    args.records, args.big = kept.records.data_ptr(), kept.big.data_ptr()
    args.out_step, args.out_row = d_outputs.stride()[:2]
    args.d_out, args.d_records, args.sums = d_outputs.data_ptr(), records.data_ptr(), sums.data_ptr()
    args.d_x = None if d_x is None else d_x.data_ptr()
    held += _add_room(args, program, inputs, True)
    program.library.memnets_backward(args)
    del held
    d_inputs = input_gradient(layout, inputs, parameters, records, d_x) if needs[0] else None
    return Gradients(
        d_inputs,
        d_state,
        parameter_gradients(layout, rows, steps, parameters, kept.records, records, sums, needs[1 + len(state) :]),
    )
