"""A cell over a sequence through its fused kernel: lengths, segments, and states as users hold them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..base.checks import check_lengths, place_of
from ..base.state import detach_state, index_state, map_state, repeat_state, state_tensors
from .autograd import run
from .checks import check_sequence
from .kernel import kernel_called, named


def run_sequence(
    cell: Any,
    key: str,
    names: Sequence[str],
    inputs: Tensor,
    state: Any,
    counts: Sequence[int] | Tensor | None,
    *,
    detach_every: int | None = None,
    checkpoint_every: int | None = None,
) -> tuple[Tensor, Any]:
    """The cell's outputs and last state.

    Args:
        cell: one that has a kernel.
        key: the kernel's.
        names: of the cell's tensors that the kernel reads.
        inputs: ``(B, T, I)``.
        state: before the first step; None for the cell's own.
        counts: the sequences' lengths, or None. A tensor under ``torch.compile`` alone.
        detach_every: cut the gradient each time this many steps have passed.
        checkpoint_every: keep the state each time this many steps have passed and nothing between, and run those
            steps again on the way back.

    Returns:
        The cell's outputs ``(T, B, F)``, zero past a sequence's length, and the state after each sequence's last step.
    """
    if state is None:
        state = _first_state(cell, key, inputs.shape[0])
    tensors = state_tensors(state)
    _check(inputs, tensors)
    parameters = [named(cell, name) for name in names]
    dtype = next((p.dtype for p in parameters if p.is_floating_point()), None) or place_of(cell)["dtype"]
    order = ends = None
    if counts is not None:
        order, counts = _longest_first(counts, inputs)
    if order is not None:
        inputs, state = inputs[order], state if _shared(tensors, inputs.shape[0]) else index_state(state, order)
    inputs = _cast(inputs, dtype).transpose(0, 1)  # (T, B, I)
    if counts is not None:  # whatever stands in the padding, NaN too, must not reach a weight's gradient
        ends = torch.as_tensor(counts, device=inputs.device)
        over = torch.arange(len(inputs), device=inputs.device).unsqueeze(1) >= ends  # (T, B)
        inputs = inputs.masked_fill(over.unsqueeze(-1), 0)
    between = torch.float32 if dtype == torch.bfloat16 else dtype  # that would round the weightings at each segment
    outputs, steps = [], len(inputs)
    starts = _starts(steps, detach_every, checkpoint_every) if detach_every or checkpoint_every else [0]
    for start, stop in zip(starts, [*starts[1:], steps]):
        if detach_every and start and start % detach_every == 0:
            state = detach_state(state) if ends is None else _detach_running(state, ends > start)
        within = None if counts is None else _within(counts, start, stop, steps)
        tensors = [_cast(t, between) for t in state_tensors(state)]
        part, last = run(key, inputs[start:stop], tensors, parameters, within, repeat=bool(checkpoint_every))
        outputs.append(part)
        state = _rebuild(state, iter(last))
    outputs = torch.cat(outputs) if len(outputs) > 1 else outputs[0]
    if between is not dtype:
        state = map_state(lambda t: _cast(t, dtype), state)
    if order is not None:
        back = torch.argsort(order)
        outputs, state = outputs[:, back], index_state(state, back)
    return outputs, state


def _first_state(cell: Any, key: str, batch: int) -> Any:
    """The cell's first state; that of one sequence, which stands for all, where the kernel knows it already."""
    known = None if torch.compiler.is_compiling() else kernel_called(key).start
    return repeat_state(cell.initial_state(1), batch) if known is None else known


def _shared(tensors: Sequence[Tensor], batch: int) -> bool:
    """Whether a state of one sequence stands for all."""
    return not torch.compiler.is_compiling() and any(tensor.shape[0] < batch for tensor in tensors)


def _check(inputs: Any, tensors: Sequence[Tensor]) -> None:
    """Raise TypeError or ValueError where casting to the cell's precision would hide what was given."""
    check_sequence(inputs)
    for tensor in (inputs, *tensors):
        if not tensor.is_floating_point():
            raise TypeError(f"a tensor of inputs or state has dtype {tensor.dtype}, but must be floating point")


def _cast(t: Tensor, dtype: torch.dtype) -> Tensor:
    return t if t.dtype is dtype else t.to(dtype)


def _longest_first(counts: Any, inputs: Tensor) -> tuple[Tensor | None, Any]:
    """The order, None where it is so already, and the lengths in it: a tensor where a graph must serve any lengths."""
    if torch.compiler.is_compiling():
        ends, order = torch.as_tensor(counts, device=inputs.device).sort(descending=True, stable=True)
        return order, ends
    counts = check_lengths(counts, *inputs.shape[:2])
    ranked = sorted(range(len(counts)), key=counts.__getitem__, reverse=True)
    if ranked == list(range(len(counts))):
        return None, counts
    return torch.tensor(ranked, device=inputs.device), [counts[b] for b in ranked]


def _within(counts: Any, start: int, stop: int, steps: int) -> Any:
    """How many of the steps from ``start`` to ``stop`` each sequence has."""
    if isinstance(counts, Tensor):  # not checked yet: what is below 0 or above the steps must stay so
        counts = (counts - start).clamp(min=0) if start else counts
        return counts.clamp(max=stop - start) if stop < steps else counts
    return [min(max(n - start, 0), stop - start) for n in counts]


def _detach_running(state: Any, running: Tensor) -> Any:
    """Sequences that ended before keep the gradient of their last state; ``running`` is ``(B,)``."""
    return map_state(lambda t: torch.where(running.view(-1, *[1] * (t.ndim - 1)), t.detach(), t), state)


def _starts(steps: int, *every: int | None) -> list[int]:
    return sorted({0, *(t for size in every if size for t in range(0, steps, size))})


def _rebuild(state: Any, tensors: Any) -> Any:
    if isinstance(state, Tensor):
        return next(tensors)
    return type(state)(*(_rebuild(part, tensors) for part in state))
