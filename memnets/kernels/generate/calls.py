"""The two calls of a generated program, with the tensors they need. Nothing here knows of autograd."""

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..kernel import Gradients
from . import library
from .given import all_dense, checked, laid_out, output_gradient, room, state_gradient
from .products import input_gradient, shares_of_inputs


class Forward(NamedTuple):
    """What a program is handed for a sequence; sizes are those of its layout.

    Attributes:
        x: inputs ``(T, B, I)``.
        parameters: all of them.
        lengths: longest first, or None.
        starts: what the sums of products start from (see ``shares_of_inputs``).
        first: the state before the first step.
        apart: how far samples lie apart in each tensor of it.
        out: outputs ``(B, T, F)``, to be filled.
        last: the state after the last step, to be filled.
        kept: what is kept, to be filled; None where nothing is.
    """

    x: Tensor
    parameters: Sequence[Tensor]
    lengths: Sequence[int] | None
    starts: Sequence[Tensor]
    first: Sequence[Tensor]
    apart: array
    out: Tensor
    last: Sequence[Tensor]
    kept: "Kept | None"


class Backward(NamedTuple):
    """What a program is handed for the way back.

    Attributes:
        x: inputs, and the next two as forward.
        parameters: all of them.
        lengths: or None.
        apart: as forward.
        kept: what was kept.
        d_out: of the outputs ``(T, B, F)``.
        d_last: of the last state.
        d_first: of the first state, to be filled where wanted.
        d_records: of what products over all steps take ``(T, B, d_record)``, to be filled.
        d_x: of the inputs, to be filled where steps make a part of it.
        needs: for each parameter, whether its gradient is wanted.
    """

    x: Tensor
    parameters: Sequence[Tensor]
    lengths: Sequence[int] | None
    apart: array
    kept: "Kept"
    d_out: Tensor
    d_last: Sequence[Tensor | None]
    d_first: Sequence[Tensor | None]
    d_records: Tensor
    d_x: Tensor | None
    needs: Sequence[bool]


class Kept(NamedTuple):
    """What a backward pass needs of the forward pass."""

    records: Tensor  # (T + 1, B, record)
    big: Tensor  # (ceil(T / every), B, big)


class Program(Protocol):
    """A program that can be called."""

    @property
    def layout(self) -> dict[str, Any]:
        """What is known of it (see ``tables.layout_of``)."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    @property
    def every(self) -> int:
        """The large parts of the state are kept each time this many steps have passed."""
        ...

    def forward(self, call: Forward) -> None:
        """All steps of all samples."""
        ...

    def backward(self, call: Backward) -> list[Tensor | None]:
        """The way back; the gradients of the parameters, where they are wanted."""
        ...


_NOTHING_KEPT = Kept(torch.empty(0), torch.empty(0))


def shapes(
    program: Program, inputs: Tensor, state: Sequence[Tensor], keep: bool
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Tensors like those that :func:`forward` gives, empty."""
    steps, batch, _ = inputs.shape
    outputs = inputs.new_empty(batch, steps, program.layout["outputs"]).transpose(0, 1)
    kept = _kept_shapes(program, steps, batch) if keep else [(0,), (0,)]
    return outputs, [s.new_empty(s.shape) for s in state], [inputs.new_empty(s, dtype=program.dtype) for s in kept]


def _kept_shapes(program: Program, steps: int, batch: int) -> list[tuple[int, ...]]:
    layout = program.layout
    return [(steps + 1, batch, layout["record"]), (-(-steps // program.every), batch, layout["big"])]


def forward(
    program: Program,
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
    starts = shares_of_inputs(layout, rows, parameters)
    shape = batch, steps, layout["outputs"]  # as users have it
    outputs = inputs.new_zeros(shape) if ragged else library.empty(inputs, *shape, spare=0)
    last = [library.empty(inputs, batch, *s, spare=0) for s in layout["state_shapes"]]
    kept = None
    if keep:
        record, big = _kept_shapes(program, steps, batch)
        kept = Kept(room(inputs, ragged, *record), library.empty(inputs, *big))
    program.forward(Forward(inputs, parameters, lengths, starts, state, apart, outputs, last, kept))
    return outputs.transpose(0, 1), last, kept or _NOTHING_KEPT


def backward(
    program: Program,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
    kept: Sequence[Tensor],
    d_outputs: Tensor,
    d_last: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> Gradients:
    """The gradients; arguments as those of :func:`forward` and :meth:`memnets.kernels.kernel.Kernel.backward`."""
    inputs, state, apart, parameters = checked(program, inputs, state, parameters, lengths)
    layout, (steps, batch, _), ragged = program.layout, inputs.shape, lengths is not None
    shapes = [(batch, *shape) for shape in layout["state_shapes"]]
    inputs, _ = laid_out(inputs, True)
    kept = Kept(*all_dense(program, "what forward kept", kept, _kept_shapes(program, steps, batch)))
    d_outputs = output_gradient(program, d_outputs, (steps, batch, layout["outputs"]))
    d_last = state_gradient(program, d_last, shapes)
    wanted = zip(shapes, needs[1 : 1 + len(shapes)])
    d_state = [library.empty(inputs, *s, spare=0) if need else None for s, need in wanted]
    d_records = room(inputs, ragged, steps, batch, layout["d_record"])
    d_x = room(inputs, ragged, *inputs.shape) if layout["has_dx"] else None
    given = inputs, parameters, lengths, apart, kept, d_outputs, d_last, d_state, d_records, d_x
    grads = program.backward(Backward(*given, needs[1 + len(shapes) :]))
    d_inputs = input_gradient(layout, inputs, parameters, d_records, d_x) if needs[0] else None
    return Gradients(d_inputs, d_state, grads)
