"""A cell over a number of steps that an exported program leaves open."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


def has_open_steps(inputs: Tensor) -> bool:
    """Whether ``torch.export`` was asked for a program of any number of steps: ``inputs (B, T, I)``."""
    return torch.compiler.is_exporting() and isinstance(inputs.shape[1], torch.SymInt)


def run_scanned(step: Callable[[Tensor, Any], tuple[Tensor, Any]], inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """``step`` over ``inputs (B, T, I)`` as torch's scan, without a loop: outputs ``(B, T, F)`` and the state."""
    from torch._higher_order_ops.scan import scan

    leaves, structure = pytree.tree_flatten(state)

    def take(carry: list[Tensor], x: Tensor) -> tuple[list[Tensor], Tensor]:
        output, after = step(x, pytree.tree_unflatten(carry, structure))
        return [tensor.clone() for tensor in pytree.tree_leaves(after)], output.clone()  # none may be another's storage

    steps = inputs.transpose(0, 1).contiguous()  # (T, B, I)
    last, outputs = scan(take, [tensor.clone() for tensor in leaves], steps, dim=0)
    return outputs.transpose(0, 1), pytree.tree_unflatten(last, structure)
