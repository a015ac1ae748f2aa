"""The fused NTM for torch: its gradient, ``torch.compile``, and errors for what it cannot do."""

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .configuration import Plan

_NO_SECOND = (
    "the fused NTM has no second derivative: use backend='reference' where gradients of gradients are needed "
    "(create_graph=True, double backward)"
)

_NO_BATCHES = (
    "the fused NTM takes no batches of gradients: use backend='reference' where they are needed "
    "(is_grads_batched=True, jacobian with vectorize=True)"
)


def _calls(engine: str) -> Any:
    """The two calls of a kernel, and their buffers: memnets.kernels.cpu.calls or memnets.kernels.triton.calls."""
    return importlib.import_module(f"{__package__}.{engine}.calls")


def run(
    engine: str,
    plan: Plan,
    inputs: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    lengths: Sequence[int] | Tensor | None = None,
    *,
    repeat: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """A sequence, differentiable.

    Args:
        engine: "cpu" or "triton".
        plan: the configuration.
        inputs: ``(T, B, I)``.
        state: as ``forward`` of the engine's calls takes it.
        parameters: each layer's, then the interface's weight and bias.
        lengths: longest first, or None; under ``torch.compile`` a tensor ``(B,)``, in the order of the batch or not.
        repeat: keep only the starting state, and run forward again before going back.

    Returns:
        ``[h, reads] (T, B, C + R M)``, and the last state.
    """
    if torch.compiler.is_compiling():
        lengths = None if lengths is None else torch.as_tensor(lengths)
        sizes = [int(plan.lstm), plan.layers, plan.shifts]
        keep = torch.is_grad_enabled() and not repeat
        outputs, *rest = _forward_op(engine, inputs, list(state), list(parameters), sizes, lengths, keep)
        return outputs[1:], rest[: len(state)]
    lengths = None if lengths is None else [int(n) for n in lengths]
    if not torch.is_grad_enabled() or not any(t.requires_grad for t in (inputs, *state, *parameters)):
        with torch.no_grad():
            last, kept = _calls(engine).forward(plan, inputs, state, parameters, lengths, keep=False)
        return kept.outputs[1:], last
    outputs, *last = _Sequence.apply(engine, plan, lengths, repeat, len(state), inputs, *state, *parameters)
    return outputs, last


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        engine: str,
        plan: Plan,
        lengths: list[int] | None,
        repeat: bool,
        states: int,
        inputs: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.settings = engine, plan, lengths, repeat, states
        with torch.autocast(inputs.device.type, enabled=False):
            last, kept = _calls(engine).forward(
                plan, inputs, tensors[:states], tensors[states:], lengths, keep=not repeat
            )
        outputs = kept.outputs.new_empty(0).set_(
            kept.outputs.untyped_storage(), kept.outputs.stride(0), kept.outputs[1:].shape, kept.outputs.stride()
        )
        ctx.save_for_backward(inputs, *tensors, *(() if repeat else (outputs, *kept)))
        return outputs, *last

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        engine, plan, lengths, repeat, states = ctx.settings
        if any(_batched(g) for g in grads if g is not None):
            raise RuntimeError(_NO_BATCHES)
        calls = _calls(engine)
        given = len(ctx.needs_input_grad) - 5
        saved = ctx.saved_tensors
        inputs, tensors, rest = saved[0], saved[1:given], saved[given:]
        with torch.no_grad(), torch.autocast(inputs.device.type, enabled=False):
            if repeat:
                _, kept = calls.forward(plan, inputs, tensors[:states], tensors[states:], lengths, keep=True)
            else:
                kept = calls.Kept(*rest[1:])
            d_outputs = torch.zeros_like(kept.outputs[1:]) if grads[0] is None else grads[0]
            found = calls.backward(
                plan,
                inputs,
                tensors[:states],
                tensors[states:],
                lengths,
                kept,
                d_outputs,
                grads[1:],
                ctx.needs_input_grad[5:],
            )
        result = [found.inputs, *found.state, *found.parameters]
        if torch.is_grad_enabled():  # create_graph=True
            result = _refuse_second(result, [t for t in (*grads, *saved[:given]) if t is not None])
        return None, None, None, None, None, *result


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


# torch.compile cannot look into the kernel: it sees two operators, each with the shapes of what it returns. Lengths are
# a tensor there, which a graph can hold without being made anew for other lengths.


def _longest_first(lengths: Tensor | None, steps: int) -> list[int] | None:
    if lengths is None:
        return None
    ranked = sorted(lengths.tolist(), reverse=True)
    if ranked and not 0 <= ranked[-1] <= ranked[0] <= steps:
        raise ValueError(f"lengths is {ranked}, but must lie within 0..{steps}, the steps of the inputs")
    return ranked


@torch.library.custom_op("memnets::ntm_forward", mutates_args=())
def _forward_op(
    engine: str,
    inputs: Tensor,
    state: list[Tensor],
    parameters: list[Tensor],
    sizes: list[int],
    lengths: Tensor | None,
    keep: bool,
) -> list[Tensor]:
    plan = Plan(bool(sizes[0]), *sizes[1:])
    last, kept = _calls(engine).forward(plan, inputs, state, parameters, _longest_first(lengths, len(inputs)), keep)
    return [kept.outputs, *last, *(kept[1:] if keep else ())]


@_forward_op.register_fake
def _(
    engine: str,
    inputs: Tensor,
    state: list[Tensor],
    parameters: list[Tensor],
    sizes: list[int],
    lengths: Tensor | None,
    keep: bool,
) -> list[Tensor]:
    plan = Plan(bool(sizes[0]), *sizes[1:])
    kept = _calls(engine).shapes(plan, inputs, state, parameters, keep)
    last = [s.new_empty(s.shape) for s in state]
    return [kept.outputs, *last, *(kept[1:] if keep else ())]


@torch.library.custom_op("memnets::ntm_backward", mutates_args=())
def _backward_op(
    engine: str,
    inputs: Tensor,
    state: list[Tensor],
    parameters: list[Tensor],
    sizes: list[int],
    lengths: Tensor | None,
    kept: list[Tensor],
    d_outputs: Tensor,
    d_last: list[Tensor],
) -> list[Tensor]:
    plan = Plan(bool(sizes[0]), *sizes[1:])
    needs = [True] * (1 + len(state) + len(parameters))
    calls, ranked = _calls(engine), _longest_first(lengths, len(inputs))
    if kept:
        known = calls.Kept(*kept)
    else:  # run again here, not in an operator of its own, which the compiler would move to the forward pass
        _, known = calls.forward(plan, inputs, state, parameters, ranked, True)
    found = calls.backward(plan, inputs, state, parameters, ranked, known, d_outputs[1:], d_last, needs)
    return [t for t in (found.inputs, *found.state, *found.parameters) if t is not None]


@_backward_op.register_fake
def _(
    engine: str,
    inputs: Tensor,
    state: list[Tensor],
    parameters: list[Tensor],
    sizes: list[int],
    lengths: Tensor | None,
    kept: list[Tensor],
    d_outputs: Tensor,
    d_last: list[Tensor],
) -> list[Tensor]:
    return [t.new_empty(t.shape) for t in (inputs, *state, *parameters)]


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    engine, x, state, parameters, sizes, lengths, keep = inputs
    ctx.settings = engine, sizes, lengths, len(state)
    ctx.save_for_backward(x, *state, *parameters, *([output[0], *output[1 + len(state) :]] if keep else []))
    ctx.given = 1 + len(state) + len(parameters)


def _op_gradient(ctx: Any, grads: list[Tensor]) -> tuple[Any, ...]:
    engine, sizes, lengths, states = ctx.settings
    saved = ctx.saved_tensors
    x, state, parameters = saved[0], list(saved[1 : 1 + states]), list(saved[1 + states : ctx.given])
    kept = list(saved[ctx.given :])
    found = _backward_op(engine, x, state, parameters, sizes, lengths, kept, grads[0], list(grads[1 : 1 + states]))
    return None, found[0], found[1 : 1 + states], found[1 + states :], None, None, None


_forward_op.register_autograd(_op_gradient, setup_context=_keep_for_backward)
