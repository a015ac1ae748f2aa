"""Fused kernels for torch: their gradient, ``torch.compile``, and errors for what they cannot do."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..base.autocast import without_autocast
from ..base.checks import check_length_tensor
from .checks import check_sequence
from .kernel import kernel_called

_NO_SECOND = (
    "the fused kernel has no second derivative: use backend='reference' where gradients of gradients are needed "
    "(create_graph=True, double backward)"
)

_NO_BATCHES = (
    "the fused kernel takes no batches of gradients: use backend='reference' where they are needed "
    "(is_grads_batched=True, jacobian with vectorize=True)"
)


def run(
    key: str,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | Tensor | None = None,
    *,
    repeat: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """A sequence, differentiable.

    Args:
        key: the kernel's.
        inputs: ``(T, B, I)``.
        state: each of its tensors.
        parameters: as the kernel names them.
        lengths: longest first, or None; under ``torch.compile`` a tensor ``(B,)``, in the order of the batch or not.
        repeat: keep only the starting state, and run forward again before going back.

    Returns:
        The outputs ``(T, B, F)``, and the last state.
    """
    if torch.compiler.is_compiling():
        lengths = None if lengths is None else torch.as_tensor(lengths)
        keep = torch.is_grad_enabled() and not repeat
        outputs, *rest = _forward_op(key, inputs, list(state), list(parameters), lengths, keep)
        return outputs, rest[: len(state)]
    lengths = None if lengths is None else [int(n) for n in lengths]
    if not torch.is_grad_enabled() or not any(t.requires_grad for t in (inputs, *state, *parameters)):
        with torch.no_grad():
            outputs, last, _ = kernel_called(key).forward(inputs, state, parameters, lengths, keep=False)
        return outputs, last
    outputs, *last = _Sequence.apply(key, lengths, repeat, len(state), inputs, *state, *parameters)
    return outputs, last


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        key: str,
        lengths: list[int] | None,
        repeat: bool,
        states: int,
        inputs: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.settings = key, kernel_called(key), lengths, repeat, states
        with without_autocast(inputs.device.type):
            outputs, last, kept = kernel_called(key).forward(
                inputs, tensors[:states], tensors[states:], lengths, not repeat
            )
        ctx.shape = outputs.shape
        ctx.save_for_backward(inputs, *tensors, *(() if repeat else kept))
        return outputs, *last

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, kernel, lengths, repeat, states = ctx.settings
        if any(_batched(g) for g in grads if g is not None):
            raise RuntimeError(_NO_BATCHES)
        given = len(ctx.needs_input_grad) - 4
        saved = ctx.saved_tensors
        inputs, tensors, kept = saved[0], saved[1:given], saved[given:]
        state, parameters = tensors[:states], tensors[states:]
        with torch.no_grad(), without_autocast(inputs.device.type):
            if repeat:
                kept = kernel.forward(inputs, state, parameters, lengths, True).kept
            d_outputs = inputs.new_zeros(ctx.shape) if grads[0] is None else grads[0]
            found = kernel.backward(
                inputs, state, parameters, lengths, kept, d_outputs, grads[1:], ctx.needs_input_grad[4:]
            )
        result = [found.inputs, *found.state, *found.parameters]
        if torch.is_grad_enabled():  # create_graph=True
            result = _refuse_second(result, [t for t in (*grads, *saved[:given]) if t is not None])
        return None, None, None, None, *result


def _batched(grad: Tensor) -> bool:
    functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    return functorch.is_batchedtensor(grad) or functorch.is_legacy_batchedtensor(grad)


class _Once(torch.autograd.Function):
    """The first tensors as they are, with a gradient that says why there is none."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(t.view_as(t) for t in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise RuntimeError(_NO_SECOND)


def _refuse_second(found: list[Tensor | None], sources: list[Tensor]) -> list[Tensor | None]:
    given = [t for t in found if t is not None]
    wrapped = iter(_Once.apply(len(given), *given, *sources))
    return [None if t is None else next(wrapped) for t in found]


# torch.compile cannot look into a kernel: it sees two operators, each with the shapes of what it returns. Lengths are
# a tensor there, which a graph can hold without being made anew for other lengths.


def _longest_first(lengths: Tensor | None, inputs: Tensor) -> list[int] | None:
    if lengths is None:
        return None
    check_sequence(inputs)
    return sorted(check_length_tensor(lengths, inputs.shape[1]).tolist(), reverse=True)


def _check_states(state: list[Tensor], inputs: Tensor) -> None:
    """An operator's results are shaped as its arguments: there no state of one sequence stands for all."""
    check_sequence(inputs)
    for k, tensor in enumerate(state):
        if tensor.shape[:1] != inputs.shape[1:2]:
            shape, batch = tuple(tensor.shape), inputs.shape[1]
            raise ValueError(f"state[{k}] has shape {shape}, but there are {batch} sequences: give each its own")


@torch.library.custom_op("memnets::fused_forward", mutates_args=())
def _forward_op(
    key: str, inputs: Tensor, state: list[Tensor], parameters: list[Tensor], lengths: Tensor | None, keep: bool
) -> list[Tensor]:
    kernel = kernel_called(key)
    _check_states(state, inputs)
    run = kernel.forward(inputs, state, parameters, _longest_first(lengths, inputs), keep)
    return [run.outputs, *run.last, *(run.kept if keep else ())]


@_forward_op.register_fake
def _(
    key: str, inputs: Tensor, state: list[Tensor], parameters: list[Tensor], lengths: Tensor | None, keep: bool
) -> list[Tensor]:
    run = kernel_called(key).shapes(inputs, state, parameters, keep)
    return [run.outputs, *run.last, *(run.kept if keep else ())]


@torch.library.custom_op("memnets::fused_backward", mutates_args=())
def _backward_op(
    key: str,
    inputs: Tensor,
    state: list[Tensor],
    parameters: list[Tensor],
    lengths: Tensor | None,
    kept: list[Tensor],
    d_outputs: Tensor,
    d_last: list[Tensor],
) -> list[Tensor]:
    needs = [True] * (1 + len(state) + len(parameters))
    kernel, ranked = kernel_called(key), _longest_first(lengths, inputs)
    _check_states(state, inputs)
    if not kept:  # run again here, not in an operator of its own, which the compiler would move to the forward pass
        kept = kernel.forward(inputs, state, parameters, ranked, True).kept
    found = kernel.backward(inputs, state, parameters, ranked, kept, d_outputs, d_last, needs)
    tensors = [inputs, *state, *parameters]
    grads = [found.inputs, *found.state, *found.parameters]
    whole = [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, grads)]
    return _apart(whole, [*tensors, *kept, d_outputs, *d_last])


def _apart(results: list[Tensor], others: list[Tensor]) -> list[Tensor]:
    """The results, of which none shares its storage with another or with ``others``, as an operator's must not."""
    seen = {tensor.untyped_storage().data_ptr() for tensor in others}
    found = []
    for tensor in results:
        place = tensor.untyped_storage().data_ptr()
        found.append(tensor.clone() if place in seen else tensor)
        seen.add(place)
    return found


@_backward_op.register_fake
def _(
    key: str,
    inputs: Tensor,
    state: list[Tensor],
    parameters: list[Tensor],
    lengths: Tensor | None,
    kept: list[Tensor],
    d_outputs: Tensor,
    d_last: list[Tensor],
) -> list[Tensor]:
    return [t.new_empty(t.shape) for t in (inputs, *state, *parameters)]


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    key, x, state, parameters, lengths, keep = inputs
    ctx.settings = key, lengths, len(state)
    ctx.save_for_backward(x, *state, *parameters, *(output[1 + len(state) :] if keep else []))
    ctx.given = 1 + len(state) + len(parameters)


def _op_gradient(ctx: Any, grads: list[Tensor]) -> tuple[Any, ...]:
    key, lengths, states = ctx.settings
    saved = ctx.saved_tensors
    x, state, parameters = saved[0], list(saved[1 : 1 + states]), list(saved[1 + states : ctx.given])
    kept = list(saved[ctx.given :])
    found = _backward_op(key, x, state, parameters, lengths, kept, grads[0], list(grads[1 : 1 + states]))
    return None, found[0], found[1 : 1 + states], found[1 + states :], None, None


_forward_op.register_autograd(_op_gradient, setup_context=_keep_for_backward)
