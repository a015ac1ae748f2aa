"""Sequences run piece by piece: between resets, and between cuts of the gradient; and what stands past their ends."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .checks import check_whole
from .state import detach_state, index_state, where_state


def run_between(
    run: Callable[[Tensor, Any, Any], tuple[Tensor, Any]],
    make_state: Callable[[int], Any],
    resets: Tensor,
    inputs: Tensor,
    state: Any,
    counts: Any,
    cut: int | None = None,
) -> tuple[Tensor, Any]:
    """``run`` from each step at which a sequence starts afresh, where ``resets (B, T)``, to the next.

    Args:
        run: as :meth:`SequenceModule.run`.
        make_state: as :meth:`SequenceModule.make_state`.
        resets: bool.
        inputs: ``(B, T, I)``.
        state: before the first step.
        counts: the sequences' lengths, or None.
        cut: cut the gradient each time this many steps have passed, wherever sequences start: ``run`` would count from
            the start of its part.
    """
    if cut is not None:
        check_whole("truncated_bptt_steps", cut)
    order = None
    if counts is not None:
        # Longest first: each part then has the order of the whole, by which a trace places what it records.
        counts = torch.as_tensor(counts, device=inputs.device)
        order = counts.argsort(descending=True, stable=True)
        inputs, resets, state, counts = inputs[order], resets[order], index_state(state, order), counts[order].tolist()
        # Past its end a sequence's state stays.
        resets = resets & (torch.arange(resets.shape[1], device=resets.device) < _column(counts, resets.device))
    cuts = range(0, inputs.shape[1], cut or inputs.shape[1])
    starts = sorted({*cuts, *resets.any(0).nonzero().flatten().tolist()})
    outputs = []
    for start, stop in zip(starts, [*starts[1:], inputs.shape[1]]):
        state = detach_state(state) if start and start in cuts else state
        state = where_state(resets[:, start], make_state(len(inputs)), state)
        within = None if counts is None else [min(max(n - start, 0), stop - start) for n in counts]
        part, state = run(inputs[:, start:stop], state, within)
        outputs.append(part)
    whole = torch.cat(outputs, dim=1)
    if order is None:
        return whole, state
    back = order.argsort()
    return whole[back], index_state(state, back)


def clear_padding(outputs: Tensor, lengths: Tensor | Sequence[int]) -> Tensor:
    """``outputs (B, T, F)`` with zeros past each sequence's length."""
    steps = torch.arange(outputs.shape[1], device=outputs.device)  # (T,)
    past = steps >= _column(lengths, outputs.device)  # (B, T)
    return outputs.masked_fill(past.unsqueeze(-1), 0)


def run_in_segments(
    run: Callable[[Tensor, Any, Tensor | None], tuple[Tensor, Any]],
    inputs: Tensor,
    state: Any,
    lengths: Tensor | None,
    segment: int | None,
) -> tuple[Tensor, Any]:
    """``run`` over ``inputs (B, T, I)``, the gradient cut between segments of so many steps; None for one whole."""
    if segment is None:  # whatever the number of steps, which an exported program may leave open
        return run(inputs, state, lengths)
    outputs = []
    for start in range(0, inputs.shape[1], segment):
        state = detach_state(state) if start else state
        part = inputs[:, start : start + segment]
        within = None if lengths is None else (lengths - start).clamp(0, part.shape[1])
        features, state = run(part, state, within)
        outputs.append(features)
    return (torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]), state


def _column(lengths: Tensor | Sequence[int], device: torch.device) -> Tensor:
    return torch.as_tensor(lengths, device=device).unsqueeze(1)  # (B, 1)
