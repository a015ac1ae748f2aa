"""The two launches of the kernel, with the tensors they need. Nothing here knows of autograd.

All buffers are in float32 but ``outputs`` and ``lower``, which have the parameters' dtype.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..kernel import Gradients
from . import backward as _backward
from . import forward as _forward
from .configuration import Plan, bias_of, layer_parameters
from .gradients import input_gradient, parameter_gradients
from .sizes import Sizes, block, power_of_two, settings, sizes_of

forward_kernel: Any = _forward.forward_kernel  # Triton's annotations say what the kernel sees, not what it is given
backward_kernel: Any = _backward.backward_kernel


class Kept(NamedTuple):
    """What a backward pass needs of the forward pass."""

    outputs: Tensor  # (T + 1, B, C + R M), [h, reads], those of the starting state first
    gates: Tensor  # (L, T, B, G)
    cells: Tensor  # (L, T + 1, B, C)
    lower: Tensor  # (L - 1, T + 1, B, C)
    emitted: Tensor  # (T + 1, B, F)
    weights: Tensor  # (T + 1, B, H, N)
    memories: Tensor  # (T, B, N, M)


def empty(like: Tensor, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Every buffer is made here, so that a test can poison them all."""
    return like.new_empty(shape, dtype=dtype)


def _layer_matrices(plan: Plan, inputs: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """What each layer does at each step anew: (G, own + below), and the interface's (F, C)."""
    found = []
    for number, layer in enumerate(layer_parameters(plan, parameters)):
        below = layer[0] if number else layer[0][:, inputs.shape[2] :]
        found.append(torch.cat([layer[1], below], 1) if plan.lstm else below)
    return [*found, parameters[-2]]


def _flat(matrices: Sequence[Tensor]) -> Tensor:
    return torch.cat([matrix.reshape(-1) for matrix in matrices])


def shapes(plan: Plan, inputs: Tensor, state: Sequence[Tensor], parameters: Sequence[Tensor], keep: bool) -> Kept:
    """The buffers that the forward pass fills. Without ``keep`` those it needs itself have room for two steps."""
    s = sizes_of(plan, inputs, state, parameters)
    span, steps, dtype = (s.steps + 1, s.steps, inputs.dtype) if keep else (2, 0, inputs.dtype)
    return Kept(
        outputs=empty(inputs, s.steps + 1, s.batch, s.features, dtype=dtype),
        gates=empty(inputs, plan.layers, steps, s.batch, s.units),
        cells=empty(inputs, plan.layers, span, s.batch, s.hidden if plan.lstm else 0),
        lower=empty(inputs, plan.layers - 1, span, s.batch, s.hidden, dtype=dtype),
        emitted=empty(inputs, span, s.batch, s.interface),
        weights=empty(inputs, s.steps + 1 if keep else 0, s.batch, s.readers + s.writers, s.slots),
        memories=empty(inputs, steps, s.batch, s.slots, s.width),
    )


def _full(state: Sequence[Tensor]) -> list[Tensor | None]:
    """Six tensors: a feed-forward controller has no hidden state."""
    return [None] * (6 - len(state)) + [tensor.contiguous() for tensor in state]


def _device_lengths(lengths: Sequence[int] | None, like: Tensor) -> Tensor | None:
    return None if lengths is None else torch.tensor(lengths, dtype=torch.int32, device=like.device)


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
        lengths: of the sequences, or None.
        keep: whether :func:`backward` follows; else only ``outputs`` of what is kept holds anything of use.

    Returns:
        The state after each sequence's last step, and what was kept.
    """
    sizes = sizes_of(plan, inputs, state, parameters)
    kept = shapes(plan, inputs, state, parameters, keep)
    last = [empty(s, *s.shape, dtype=s.dtype) for s in state]
    layers = layer_parameters(plan, parameters)
    biases = torch.stack([bias_of(layer).float() for layer in layers])  # (L, G)
    entering = empty(inputs, sizes.steps, sizes.batch, sizes.units)
    torch.addmm(
        biases[0],
        inputs.reshape(-1, inputs.shape[2]).float(),
        layers[0][0][:, : inputs.shape[2]].float().t(),
        out=entering.view(sizes.steps * sizes.batch, sizes.units),
    )
    packed = _flat([matrix.t() for matrix in _layer_matrices(plan, inputs, parameters)])
    deepest = sizes.hidden + max(sizes.hidden, sizes.reads)
    with torch.cuda.device_of(inputs):
        forward_kernel[(sizes.batch,)](
            packed,
            biases,
            parameters[-1].contiguous(),
            _device_lengths(lengths, inputs),
            *_full(state),
            *_full(last),
            entering,
            *kept,
            sizes.steps,
            kept.emitted.shape[0],
            KEEP=int(keep),
            RM_P=power_of_two(sizes.reads),
            GATE_BLOCK=block(4 * power_of_two(sizes.hidden), deepest),
            UNIT_BLOCK=block(sizes.hidden, deepest),
            TOLD_BLOCK=block(sizes.interface, sizes.hidden),
            **settings(plan, sizes),
        )
    return last, kept


class _Carried(NamedTuple):
    """The gradient of the state, of the last one going in, of the first one coming out."""

    carry: Tensor  # (B, L, own + below)
    cell: Tensor  # (B, L, C)
    memory: Tensor  # (B, N, M)
    weights: Tensor  # (B, H, N)


def _carried(plan: Plan, sizes: Sizes, like: Tensor, d_last: Sequence[Tensor | None]) -> _Carried:
    own, heads = sizes.hidden if plan.lstm else 0, sizes.readers + sizes.writers
    across = own + max(sizes.reads, sizes.hidden if plan.layers > 1 else 0)
    every = (
        (sizes.batch, plan.layers, across),
        (sizes.batch, plan.layers, own),
        (sizes.batch, sizes.slots, sizes.width),
        (sizes.batch, heads, sizes.slots),
    )
    counts = [torch.Size(shape).numel() for shape in every]
    parts = like.new_zeros(sum(counts), dtype=torch.float32).split(counts)
    found = _Carried(*(part.view(shape) for part, shape in zip(parts, every)))
    for place, gradient in zip(_places(plan, sizes, found), d_last):
        if gradient is not None:
            place.copy_(gradient)
    return found


def _places(plan: Plan, sizes: Sizes, carried: _Carried) -> list[Tensor]:
    """Where in ``carried`` the gradient of each tensor of the state lies."""
    own = sizes.hidden if plan.lstm else 0
    reads = carried.carry[:, 0, own : own + sizes.reads]
    controller = [carried.carry[:, :, :own], carried.cell] if plan.lstm else []
    weights = carried.weights.split([sizes.readers, sizes.writers], 1)
    return [*controller, carried.memory, *weights, reads]


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
    sizes = sizes_of(plan, inputs, state, parameters)
    carried = _carried(plan, sizes, inputs, d_last)
    d_gates = empty(inputs, *kept.gates.shape)
    d_emitted = empty(inputs, sizes.steps, sizes.batch, sizes.interface)
    across = carried.carry.shape[2]
    with torch.cuda.device_of(inputs):
        backward_kernel[(sizes.batch,)](
            _flat(_layer_matrices(plan, inputs, parameters)),
            _device_lengths(lengths, inputs),
            kept.gates,
            kept.cells,
            kept.emitted,
            kept.weights,
            kept.memories,
            d_outputs.contiguous(),
            *carried,
            d_gates,
            d_emitted,
            sizes.steps,
            G_P=power_of_two(sizes.units),
            K_P=power_of_two(across),
            CARRY=across,
            TOLD_BLOCK=block(sizes.hidden, sizes.interface),
            GATE_BLOCK=block(across, sizes.units),
            **settings(plan, sizes),
        )
    needs_state, needs_parameters = needs[1 : 1 + len(state)], needs[1 + len(state) :]
    found = parameter_gradients(
        plan, inputs.float(), kept.outputs.float(), kept.gates, kept.lower.float(), d_gates, d_emitted, needs_parameters
    )
    floats = [parameters[0].float()]
    return Gradients(
        input_gradient(inputs, floats, d_gates).to(inputs.dtype) if needs[0] else None,
        [
            place.to(s.dtype).clone(memory_format=torch.contiguous_format) if need else None
            for place, s, need in zip(_places(plan, sizes, carried), state, needs_state)
        ],
        [None if d is None else d.to(inputs.dtype) for d in found],
    )
