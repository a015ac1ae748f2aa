"""A sparse memory over a sequence: changed in place, with what it takes to go back, and not made anew at each step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import kernels
from ..base.autocast import autocasts
from ..base.state import index_state
from ..memories.sparse_slots import Run, SlotsInPlace

REPORT = "chosen: the memory is changed in place, and the rows that are read are all that is kept of it"


def can_run(cell: Any) -> bool:
    """Whether the cell has a memory that can be changed in place, and nothing at work now forbids that."""
    if not getattr(getattr(cell, "memory", None), "in_place", False) or kernels.hooked(cell):
        return False
    return not (torch.compiler.is_compiling() or torch.jit.is_tracing() or kernels.transformed() or _elsewhere(cell))


def run_in_place(
    unroll: Callable[..., tuple[Tensor, Any]], cell: Any, inputs: Tensor, state: Any, counts: list[int] | None
) -> tuple[Tensor, Any]:
    """The cell over a sequence.

    Args:
        unroll: ``(step, inputs, state, counts, start)`` to outputs and the last state, longest sequences first.
        cell: one for which :func:`can_run` holds.
        inputs: ``(B, T, I)``.
        state: before the first step.
        counts: the sequences' lengths, or None.

    Returns:
        Outputs ``(B, T, F)`` and the state after each sequence's last step.
    """
    order = None
    if counts is not None:
        ranked = sorted(range(len(counts)), key=counts.__getitem__, reverse=True)
        order = torch.tensor(ranked, device=inputs.device)
        inputs, state, counts = inputs[order], index_state(state, order), sorted(counts, reverse=True)
    given = state.memory
    run = Run(given.memory, given.last_access, given.used)

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        inside = state.memory._replace(memory=SlotsInPlace(run, len(x)))
        output, after = cell(x, state._replace(memory=inside))
        return output, after._replace(memory=after.memory._replace(memory=state.memory.memory))

    # What has N slots is the run's; in the state that goes from step to step nothing stands in its place.
    none = given._replace(memory=given.memory[:, :0], last_access=given.last_access[:, :0])
    outputs, state = unroll(step, inputs, state._replace(memory=none), counts, 0)
    memory, last_access = run.finish(), run.last_access
    if counts is not None and 0 in counts:  # what takes no step stays as it was given
        idle = torch.tensor([count == 0 for count in counts], device=memory.device).unsqueeze(1)
        memory = torch.where(idle.unsqueeze(2), given.memory, memory)
        last_access = torch.where(idle, given.last_access, last_access)
    state = state._replace(memory=state.memory._replace(memory=memory, last_access=last_access))
    if order is not None:
        back = torch.argsort(order)
        outputs, state = outputs[back], index_state(state, back)
    return outputs, state


def _elsewhere(cell: Any) -> bool:
    """Under autocast, or where tensors hold no numbers."""
    device = next(cell.parameters()).device.type
    return device == "meta" or autocasts(device)
