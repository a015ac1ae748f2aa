"""What a generated program is given, as it takes it: checked, without gaps, and no copies where none are needed."""

import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from ..checks import check_count, check_ranked, check_sequence, check_tensor, is_plain
from . import library

if TYPE_CHECKING:
    from .calls import Program


def room(like: Tensor, ragged: bool, *shape: int) -> Tensor:
    """A buffer over time: with lengths, what no step writes must be zero in products over all steps."""
    if not ragged:
        return library.empty(like, *shape)
    size = math.prod(shape)
    return like.new_zeros(size + library.SPARE)[:size].view(shape)


def checked(
    program: "Program",
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | None,
) -> tuple[Tensor, list[Tensor], array, list[Tensor]]:
    """Inputs, states with how far their samples lie apart, and parameters, once they are what the program was made for.

    All but the inputs are one block of numbers each.
    """
    check_sequence(inputs)
    steps, batch = inputs.shape[:2]
    check_ranked(lengths, steps, batch)
    shape = (steps, batch, *program.layout["input_shape"])
    if not is_plain(inputs, shape, program.dtype, program.device):
        check_tensor("inputs", inputs, shape, program.dtype, program.device)
        inputs = inputs.resolve_neg()
    return (
        inputs,
        *_starting(program, state, batch),
        all_dense(program, "parameters", parameters, program.layout["parameter_shapes"]),
    )


def _dense(program: "Program", name: str, tensor: Tensor, shape: Sequence[int]) -> Tensor:
    check_tensor(name, tensor, shape, program.dtype, program.device)
    return tensor.resolve_neg().contiguous()


def all_dense(
    program: "Program", name: str, tensors: Sequence[Tensor], shapes: Sequence[Sequence[int]]
) -> list[Tensor]:
    """Tensors of these shapes, checked, each one block of numbers."""
    check_count(name, tensors, len(shapes))
    dtype, device, pairs = program.dtype, program.device, enumerate(zip(tensors, shapes))
    return [t if is_plain(t, s, dtype, device) else _dense(program, f"{name}[{k}]", t, s) for k, (t, s) in pairs]


def _starting(program: "Program", state: Sequence[Tensor], batch: int) -> tuple[list[Tensor], array]:
    """States without gaps, and how far their samples lie apart in each: by 0 where all share those of one."""
    shapes, dtype, device = program.layout["state_shapes"], program.dtype, program.device
    check_count("state", state, len(shapes))
    found, apart = [], []
    for k, (tensor, shape) in enumerate(zip(state, shapes)):
        whole, shared = (batch, *shape), False
        if batch > 1 and is_plain(tensor, (1, *shape), dtype, device):
            shared = True
        elif not is_plain(tensor, whole, dtype, device):
            check_tensor(f"state[{k}]", tensor, whole, dtype, device)
            shared = batch > 1 and not tensor.stride(0)
            tensor = (tensor[:1] if shared else tensor).resolve_neg().contiguous()
        found.append(tensor)
        apart.append(0 if shared else tensor.numel() // batch)
    return found, array("q", apart)


def laid_out(inputs: Tensor, keep: bool) -> tuple[Tensor, Tensor]:
    """Inputs without gaps, and the same as rows in the order in which they lie.

    Where nothing is kept they may lie batch first, as users have them.
    """
    across = inputs.transpose(0, 1)
    if not keep and across.is_contiguous():
        return inputs, across.reshape(-1, inputs.shape[2])
    inputs = inputs.contiguous()
    return inputs, inputs.view(-1, inputs.shape[2])


def output_gradient(program: "Program", d_outputs: Tensor, shape: tuple[int, ...]) -> Tensor:
    """That of the outputs ``(T, B, F)``, each step's numbers side by side."""
    if not is_plain(d_outputs, shape, program.dtype, program.device):
        check_tensor("the gradient of the outputs", d_outputs, shape, program.dtype, program.device)
        d_outputs = d_outputs.resolve_neg()
        d_outputs = d_outputs if d_outputs.stride(2) == 1 else d_outputs.contiguous()
    return d_outputs


def state_gradient(
    program: "Program", d_last: Sequence[Tensor | None], shapes: Sequence[tuple[int, ...]]
) -> list[Tensor | None]:
    """Those of the last state, None where they count as zero."""
    check_count("the gradient of the state", d_last, len(shapes))
    pairs = enumerate(zip(d_last, shapes))
    return [None if d is None else _dense(program, f"the gradient of state[{k}]", d, shape) for k, (d, shape) in pairs]
