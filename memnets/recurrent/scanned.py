"""A cell over steps and lengths that an exported program leaves open."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ..base.state import where_state

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


def has_open_steps(inputs: Tensor) -> bool:
    """Whether ``torch.export`` was asked for a program of any number of steps: ``inputs (B, T, I)``."""
    return torch.compiler.is_exporting() and isinstance(inputs.shape[1], torch.SymInt)


def run_scanned(step: Step, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """``step`` over ``inputs (B, T, I)`` as torch's scan, without a loop: outputs ``(B, T, F)`` and the state."""
    from torch._higher_order_ops.scan import scan

    leaves, structure = pytree.tree_flatten(state)

    def take(carry: list[Tensor], x: Tensor) -> tuple[list[Tensor], Tensor]:
        output, after = step(x, pytree.tree_unflatten(carry, structure))
        return [tensor.clone() for tensor in pytree.tree_leaves(after)], output.clone()  # none may be another's storage

    steps = inputs.transpose(0, 1).contiguous()  # (T, B, I)
    last, outputs = scan(take, [tensor.clone() for tensor in leaves], steps, dim=0)
    return outputs.transpose(0, 1), pytree.tree_unflatten(last, structure)


def masked(step: Step, inputs: Tensor, lengths: Tensor) -> tuple[Step, Tensor]:
    """A step that leaves a sequence's state as it was past its length, and the inputs that it takes.

    Args:
        step: of the cell.
        inputs: ``(B, T, I)``.
        lengths: ``(B,)``, whose values are not known yet.

    Returns:
        The step, and ``(B, T, I + 1)``: behind its features 1 where a sequence has the step.
    """

    def take(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, after = step(x[:, :-1], state)
        return output, where_state(x[:, -1] > 0, after, state)

    there = torch.arange(inputs.shape[1], device=inputs.device) < lengths.to(inputs.device).unsqueeze(1)  # (B, T)
    return take, torch.cat([inputs, there.unsqueeze(-1).to(inputs.dtype)], dim=-1)
