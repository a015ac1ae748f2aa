"""The two calls of the kernel, with the tensors they need. Nothing here knows of autograd."""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..configuration import Gradients, Plan, bias_of, layer_parameters
from ..gradients import input_gradient, parameter_gradients
from .library import Args, load, pointers
from .library import state as c_state

EVERY = 8
"""The memory is kept before each such step; those between are written again on the way back."""


class Kept(NamedTuple):
    """What a backward pass needs of the forward pass."""

    outputs: Tensor  # (T + 1, B, C + R M), [h, reads], those of the starting state first
    gates: Tensor  # (L, T, B, G)
    cells: Tensor  # (L, T + 1, B, C)
    lower: Tensor  # (L - 1, T + 1, B, C)
    told: Tensor  # (T, B, F)
    weights: Tensor  # (T + 1, B, H, N padded)
    cosines: Tensor  # (T, B, H + 1, N padded), of the keys with the slots, and the slots' inverse norms
    memories: Tensor  # (ceil(T / EVERY), B, M, N padded)


def empty(like: Tensor, *shape: int) -> Tensor:
    """Every buffer is made here, so that a test can poison them all."""
    return like.new_empty(shape)


def _arguments(
    plan: Plan, inputs: Tensor, state: Sequence[Tensor], parameters: Sequence[Tensor], lengths: Sequence[int] | None
) -> tuple[Args, list[object]]:
    """The structure but for the buffers, and what must outlive it."""
    steps, batch, features = inputs.shape
    memory, read_weights, write_weights, _ = state[-4:]
    layers = layer_parameters(plan, parameters)
    held: list[object] = [
        pointers([layer[0] for layer in layers]),
        pointers([layer[1] for layer in layers]),
        (ctypes.c_int64 * batch)(*lengths) if lengths is not None else None,
    ]
    args = Args(
        batch=batch,
        steps=steps,
        inputs=features,
        hidden=parameters[-2].shape[1],
        layers=plan.layers,
        lstm=plan.lstm,
        slots=memory.shape[1],
        width=memory.shape[2],
        readers=read_weights.shape[1],
        writers=write_weights.shape[1],
        shifts=plan.shifts,
        every=EVERY,
        keep=1,
        threads=min(torch.get_num_threads(), batch),
        weight_ih=held[0],
        weight_hh=held[1],
        interface_weight=parameters[-2].data_ptr(),
        interface_bias=parameters[-1].data_ptr(),
    )
    if lengths is not None:
        args.lengths = held[2]
    return args, held


def _add_room(args: Args, library: ctypes.CDLL, like: Tensor, backward: bool) -> list[Tensor]:
    sizes = (ctypes.c_int64 * 2)()
    library.memnets_sizes(args, int(backward), sizes)
    packed, scratch = empty(like, sizes[0]), empty(like, sizes[1] * args.threads)
    args.packed, args.scratch = packed.data_ptr(), scratch.data_ptr()
    return [packed, scratch]


def _full(state: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Six tensors: a feed-forward controller has no hidden state."""
    return [None] * (6 - len(state)) + list(state)


def shapes(plan: Plan, inputs: Tensor, state: Sequence[Tensor], parameters: Sequence[Tensor], keep: bool) -> Kept:
    """The buffers that the forward pass fills. Without ``keep`` most have room for one step only."""
    lanes = load(inputs.dtype).memnets_lanes()
    steps, batch, _ = inputs.shape
    slots, width = state[-4].shape[1:]
    readers, heads = state[-3].shape[1], state[-3].shape[1] + state[-2].shape[1]
    interface, hidden = parameters[-2].shape
    below, recurrent = plan.layers - 1, hidden if plan.lstm else 0
    units, across = hidden * (4 if plan.lstm else 1), -(-slots // lanes) * lanes
    now, moments = (steps, steps + 1) if keep else (1, 1)
    return Kept(
        outputs=empty(inputs, steps + 1, batch, hidden + readers * width),
        gates=empty(inputs, plan.layers, steps, batch, units)
        if keep
        else empty(inputs, 1, steps + (below > 0), batch, units),
        cells=empty(inputs, plan.layers, moments, batch, recurrent),
        lower=empty(inputs, below, moments, batch, recurrent),
        told=empty(inputs, now, batch, interface),
        weights=empty(inputs, moments, batch, heads, across),
        cosines=empty(inputs, now, batch, heads + 1, across),
        memories=empty(inputs, -(-steps // EVERY) if keep else 0, batch, width, across),
    )


def forward(
    plan: Plan,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
    keep: bool,
) -> tuple[list[Tensor], Kept]:
    """The whole sequence.

    Args:
        plan: the configuration.
        inputs: ``(T, B, I)``.
        state: ``hidden, cell (B, L, C)`` (of an LSTM), ``memory (B, N, M)``, ``read_weights (B, R, N)``,
            ``write_weights (B, W, N)``, ``reads (B, R M)``.
        parameters: each layer's, then the interface's weight and bias.
        lengths: of the sequences, longest first, or None.
        keep: whether :func:`backward` follows; else only ``outputs`` of what is kept holds anything of use.

    Returns:
        The state after each sequence's last step, and what was kept.
    """
    library = load(inputs.dtype)
    inputs = inputs.contiguous()
    state, parameters = [s.contiguous() for s in state], [p.contiguous() for p in parameters]
    args, held = _arguments(plan, inputs, state, parameters, lengths)
    kept = shapes(plan, inputs, state, parameters, keep)
    steps, batch, features = inputs.shape
    gates = kept.gates
    layers = layer_parameters(plan, parameters)
    torch.addmm(
        bias_of(layers[0]),
        inputs.view(-1, features),
        layers[0][0][:, :features].t(),
        out=gates[0, :steps].view(steps * batch, -1),
    )
    biases = [None, *(bias_of(layer) for layer in layers[1:])]
    last = [empty(s, *s.shape) for s in state]
    held += [pointers(biases), *biases, *_add_room(args, library, inputs, False)]
    args.bias = held[3]
    args.keep = int(keep)
    args.first, args.last = c_state(_full(state)), c_state(_full(last))
    for name in Kept._fields:
        setattr(args, name, getattr(kept, name).data_ptr())
    if not keep:
        args.memories = None
    library.memnets_forward(args)
    return last, kept


def backward(
    plan: Plan,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
    kept: Kept,
    d_outputs: Tensor,
    d_last: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> Gradients:
    """The gradients.

    Args:
        plan: and the following, as given to :func:`forward`.
        inputs: ``(T, B, I)``.
        state: the starting state.
        parameters: all of them.
        lengths: or None.
        kept: from :func:`forward`.
        d_outputs: of ``kept.outputs[1:]``.
        d_last: of the last state; None counts as zero.
        needs: for the inputs, each tensor of the state and each parameter, whether its gradient is wanted.
    """
    library = load(inputs.dtype)
    inputs, d_outputs = inputs.contiguous(), d_outputs.contiguous()
    parameters = [p.contiguous() for p in parameters]
    d_last = [None if d is None else d.contiguous() for d in d_last]
    args, held = _arguments(plan, inputs, state, parameters, lengths)
    needs_state, needs_parameters = needs[1 : 1 + len(state)], needs[1 + len(state) :]
    d_state = [empty(s, *s.shape) if need else None for s, need in zip(state, needs_state)]
    d_gates, d_told = empty(inputs, *kept.gates.shape), empty(inputs, *kept.told.shape)
    held += _add_room(args, library, inputs, True)
    args.first, args.last = c_state(_full(d_state)), c_state(_full(d_last))
    for name in Kept._fields:
        setattr(args, name, getattr(kept, name).data_ptr())
    args.d_outputs, args.d_gates, args.d_interface = d_outputs.data_ptr(), d_gates.data_ptr(), d_told.data_ptr()
    library.memnets_backward(args)
    del held
    return Gradients(
        input_gradient(inputs, parameters, d_gates) if needs[0] else None,
        d_state,
        parameter_gradients(plan, inputs, kept.outputs, kept.gates, kept.lower, d_gates, d_told, needs_parameters),
    )
