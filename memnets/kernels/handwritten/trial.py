"""One short sequence through the kernel and through the plain cell: does this GPU give what the equations say?"""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from ...base.state import LSTMState
from ...controllers import LSTMController
from ...memories.ntm import NTMMemory, NTMState
from ..autograd import run
from .configuration import Plan, parameters_of
from .kernel import TritonKernel

TOLERANCE = 2e-2
"""Of the difference's norm, relative to that of the values: room for TF32, where the reference is told to use it."""


def failure(device: torch.device, hidden: int = 40, slots: int = 64, width: int = 12, steps: int = 6) -> str | None:
    """Why the kernel cannot be trusted on ``device``, or None.

    In a thread of its own, which knows nothing of the caller's grad mode, autocast, or function transforms.
    """
    try:
        with ThreadPoolExecutor(1) as pool:
            apart = pool.submit(_distance, device, hidden, slots, width, steps).result()
    except Exception as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        return f"a trial of the CUDA kernel on this device failed: {line}"
    if not apart < TOLERANCE:  # nor NaN
        return f"a trial of the CUDA kernel on this device gave results that are {apart:.1e} off"
    return None


class _Cell(nn.Module):
    """An LSTM and an NTM's memory, step by step."""

    def __init__(self, inputs: int, hidden: int, slots: int, width: int):
        super().__init__()
        self.controller, self.memory = LSTMController(inputs + width, hidden), NTMMemory(slots, width)
        self.interface = nn.Linear(hidden, self.memory.interface.size)

    def start(self, batch: int) -> list[Tensor]:
        device = self.interface.weight.device
        memory = self.memory.initial_state(batch, device=device)
        controller = self.controller.initial_state(batch, device=device)
        return [*controller, *memory, self.memory.initial_reads(memory)]

    def over(self, inputs: Tensor, start: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        controller, memory, reads = LSTMState(*start[:2]), NTMState(*start[2:5]), start[5]
        outputs = []
        for x in inputs:
            h, controller = self.controller(torch.cat([x, reads], dim=-1), controller)
            reads, memory = self.memory(self.interface(h), memory)
            outputs.append(torch.cat([h, reads], dim=-1))
        return torch.stack(outputs), [*controller, *memory, reads]


def _distance(device: torch.device, hidden: int, slots: int, width: int, steps: int) -> float:
    with torch.random.fork_rng(devices=[]):  # a user's seeded run must not notice
        torch.manual_seed(0)
        cell = _Cell(3, hidden, slots, width).to(device, torch.float32)
        inputs = torch.randn(steps, 3, 3, dtype=torch.float32).to(device).requires_grad_()  # (T, B, I)
    start, kernel = cell.start(3), TritonKernel(Plan(True, 1, 3))
    want = _all(cell, inputs, *cell.over(inputs, start))
    got = _all(cell, inputs, *run(kernel.key, inputs, start, parameters_of(cell)))
    return max(float((a - b).norm() / b.norm().clamp(min=1e-6)) for a, b in zip(got, want))


def _all(cell: _Cell, inputs: Tensor, outputs: Tensor, last: list[Tensor]) -> list[Tensor]:
    """Outputs, last state, and the gradients of all of it."""
    loss = outputs.square().sum() + sum(t.square().sum() for t in last)
    grads = torch.autograd.grad(loss, [inputs, *parameters_of(cell)])
    return [t.detach() for t in (outputs, *last, *grads)]
