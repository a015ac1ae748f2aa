"""A generated program as a kernel: which of a cell's tensors it reads, and the gradients of its prologue."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import check_count
from ..kernel import KERNELS, Gradients, Kernel, Run
from . import calls
from .calls import Program
from .prologue import run_prologue
from .trace import Trace

_numbers = itertools.count()


class GeneratedKernel(Kernel):
    """A cell's program.

    Args:
        trace: of the cell's step.
        names: for each tensor that the trace was given and that is the cell's own, its name there, by slot.
        compiled: the program.
        own: the dtype of the cell's parameters, which the program may compute in a finer one.
        key: of the program.
        start: the cell's first state where it is a constant.
    """

    def __init__(
        self, trace: Trace, names: dict[int, str], compiled: Program, own: torch.dtype, key: str, start: Any = None
    ):
        self.compiled, self.own, self.start = compiled, own, start
        self.slots = names
        self.prologue = trace.prologue
        self.sources = trace.sources
        self.learnt = trace.learnt
        self.constants = {slot: tensor for slot, tensor in trace.given.items() if slot not in names}
        self.key = f"{key}-{next(_numbers)}"
        KERNELS[self.key] = self

    def names(self, cell: nn.Module) -> list[str]:
        """See :meth:`memnets.kernels.kernel.Kernel.names`."""
        return list(self.slots.values())

    def _leaves(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """What the program's ``param`` leaves are."""
        check_count("parameters", parameters, len(self.slots))
        env = {**self.constants, **dict(zip(self.slots, map(self._finer, parameters)))}
        return [cast(t, self.compiled.dtype) for t in run_prologue(self.prologue, self.sources, env)]

    def _finer(self, tensor: Tensor) -> Tensor:
        """It in the program's dtype, if it has the cell's; any other is refused where it is checked."""
        return cast(tensor, self.compiled.dtype) if tensor.dtype is self.own else tensor

    def forward(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        lengths: Sequence[int] | None,
        keep: bool,
    ) -> Run:
        """See :meth:`memnets.kernels.kernel.Kernel.forward`."""
        leaves, given = self._leaves(parameters), [self._finer(t) for t in (inputs, *state)]
        outputs, last, kept = calls.forward(self.compiled, given[0], given[1:], leaves, lengths, keep)
        return Run(cast(outputs, inputs.dtype), [cast(t, s.dtype) for t, s in zip(last, state)], list(kept))

    def shapes(self, inputs: Tensor, state: Sequence[Tensor], parameters: Sequence[Tensor], keep: bool) -> Run:
        """See :meth:`memnets.kernels.kernel.Kernel.shapes`."""
        return Run(*calls.shapes(self.compiled, inputs, state, keep))

    def backward(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        lengths: Sequence[int] | None,
        kept: Sequence[Tensor],
        d_outputs: Tensor,
        d_last: Sequence[Tensor | None],
        needs: Sequence[bool],
    ) -> Gradients:
        """See :meth:`memnets.kernels.kernel.Kernel.backward`."""
        wanted = needs[1 + len(state) :]
        given: Sequence[Tensor] = parameters
        if self.prologue:
            with torch.enable_grad():
                given = [p.detach().requires_grad_(need) for p, need in zip(parameters, wanted)]
                leaves = self._leaves(given)
            leaf_needs = [leaf.requires_grad and learnt for leaf, learnt in zip(leaves, self.learnt)]
        else:
            leaves, by_slot = self._leaves(parameters), dict(zip(self.slots, wanted))
            leaf_needs = [by_slot.get(slot, False) for slot in self.sources]
        asked = [*needs[: 1 + len(state)], *leaf_needs]
        x, d_out, *states = map(self._finer, (inputs, d_outputs, *state))
        d_states = [None if d is None else self._finer(d) for d in d_last]
        found = calls.backward(self.compiled, x, states, leaves, lengths, kept, d_out, d_states, asked)
        if self.prologue:
            d_parameters = _through_prologue(given, wanted, leaves, found.parameters)
        else:
            d_by_slot = dict(zip(self.sources, found.parameters))
            d_parameters = [d_by_slot.get(slot) for slot in self.slots]
        return Gradients(
            _like(found.inputs, inputs),
            [_like(d, s) for d, s in zip(found.state, state)],
            [_like(d, p) for d, p in zip(d_parameters, parameters)],
        )


def cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """It in a dtype."""
    return tensor if tensor.dtype is dtype else tensor.to(dtype)


def _like(gradient: Tensor | None, of: Tensor) -> Tensor | None:
    return None if gradient is None else cast(gradient, of.dtype)


def _through_prologue(
    given: Sequence[Tensor], wanted: Sequence[bool], leaves: Sequence[Tensor], d_leaves: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """The gradients of a cell's parameters from those of what the prologue makes of them."""
    pairs = [(leaf, d) for leaf, d in zip(leaves, d_leaves) if d is not None]
    inner = [p for p, need in zip(given, wanted) if need]
    if not pairs or not inner:
        return [None] * len(given)
    grads = iter(torch.autograd.grad([leaf for leaf, _ in pairs], inner, [d for _, d in pairs], allow_unused=True))
    return [next(grads) if need else None for need in wanted]
