"""Whether a cell's sequences start from the same numbers at every call, so that they need not be made each time."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ...base.state import map_state, state_tensors


class _Watch(TorchDispatchMode):
    """Notes which tensors are made of nothing but plain values, and whether an operator draws at random."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, Tensor] = {}
        self.constant = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        drawn = torch.Tag.nondeterministic_seeded in func.tags
        self.constant = self.constant and not drawn and all(id(tensor) in self.made for tensor in given)
        found = func(*args, **(kwargs or {}))
        self.made |= {id(leaf): leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)}
        return found


def constant_start(cell: nn.Module) -> Any:
    """The state of one sequence before its first step; None where parameters, buffers or chance have a part in it."""
    devices = {parameter.device for parameter in cell.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=devices), torch.no_grad(), _Watch() as watch:
        state: Any = cell.initial_state(1)  # pyright: ignore[reportCallIssue]
    constant = watch.constant and all(id(tensor) in watch.made for tensor in state_tensors(state))
    return map_state(lambda tensor: tensor.detach().contiguous(), state) if constant else None
