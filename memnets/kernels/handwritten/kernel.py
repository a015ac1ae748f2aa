"""The Triton kernel as a :class:`memnets.kernels.kernel.Kernel`."""

import functools
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..kernel import KERNELS, Gradients, Kernel, Refusal, Run
from .configuration import Plan, parameters_of, plan_of
from .support import unavailable, unsupported


def kernel_of(cell: Any) -> "TritonKernel | Refusal":
    """The kernel for a cell on CUDA, or why there is none."""
    if reason := unsupported(cell):
        return Refusal(reason)
    if reason := unavailable():
        return Refusal(reason, here=True)
    return _kernel(plan_of(cell))


@functools.cache
def _kernel(plan: Plan) -> "TritonKernel":
    return TritonKernel(plan)


class TritonKernel(Kernel):
    """An NTM's memory with an LSTM or feed-forward controller, on CUDA."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.key = f"triton-{int(plan.lstm)}-{plan.layers}-{plan.shifts}"
        KERNELS[self.key] = self

    def names(self, cell: Any) -> list[str]:
        """See :meth:`memnets.kernels.kernel.Kernel.names`."""
        own = {id(t): name for name, t in cell.named_parameters(remove_duplicate=False)}
        return [own[id(t)] for t in parameters_of(cell)]

    def forward(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        lengths: Sequence[int] | None,
        keep: bool,
    ) -> Run:
        """See :meth:`memnets.kernels.kernel.Kernel.forward`."""
        from . import calls

        last, kept = calls.forward(self.plan, inputs, state, parameters, lengths, keep)
        return Run(kept.outputs[1:].clone(), last, list(kept) if keep else [])

    def shapes(self, inputs: Tensor, state: Sequence[Tensor], parameters: Sequence[Tensor], keep: bool) -> Run:
        """See :meth:`memnets.kernels.kernel.Kernel.shapes`."""
        from . import calls

        kept = calls.shapes(self.plan, inputs, state, parameters, keep)
        return Run(kept.outputs[1:].clone(), [s.new_empty(s.shape) for s in state], list(kept) if keep else [])

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
        from . import calls

        known = calls.Kept(*kept)
        return calls.backward(self.plan, inputs, state, parameters, lengths, known, d_outputs, d_last, needs)
