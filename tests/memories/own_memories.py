"""Memories as users would write them: a queue, a stack that grows, two in one cell."""

from typing import NamedTuple

import torch
from torch import nn

from memnets import CellState, Interface, Memory, Part, StackMemory
from memnets.controllers import make_controller


class QueueState(NamedTuple):
    slots: torch.Tensor  # (B, N, M), the newest first


class Queue(Memory):
    """Each step pushes a vector and reads the oldest."""

    def __init__(self, slots: int = 4, width: int = 8):
        super().__init__()
        self.slots, self.width, self.reads_size = slots, width, width
        self.interface = Interface(value=Part((width,), "tanh"))

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return QueueState(torch.zeros(batch_size, self.slots, self.width, device=device, dtype=dtype))

    def initial_reads(self, state):
        return state.slots[:, -1]  # (B, M)

    def step(self, parts, state):
        pushed = torch.cat([parts.value.unsqueeze(1), state.slots[:, :-1]], dim=1)  # (B, N, M)
        return pushed[:, -1], QueueState(pushed)


class HistoryState(NamedTuple):
    values: torch.Tensor  # (B, t, M), the newest first


class History(Memory):
    """Keeps every value of the sequence and reads them by content; its state grows by a row a step."""

    growing = True

    def __init__(self, width: int = 3):
        super().__init__()
        self.width, self.reads_size = width, width
        self.interface = Interface(value=Part((width,), "tanh"), key=Part((width,)))

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return HistoryState(torch.zeros(batch_size, 1, self.width, device=device, dtype=dtype))

    def initial_reads(self, state):
        return state.values[:, 0]

    def step(self, parts, state):
        values = torch.cat([parts.value.unsqueeze(1), state.values], dim=1)  # (B, t + 1, M)
        present = values.abs().sum(-1) > 0  # rows of zeros are no values: those of a state filled up
        scores = torch.einsum("bm,btm->bt", parts.key, values).masked_fill(~present, -1e9)
        return torch.einsum("bt,btm->bm", scores.softmax(-1), values), HistoryState(values)


class TwoMemories(nn.Module):
    """A controller that pushes on a stack and on a queue."""

    def __init__(self, input_size: int = 3, hidden_size: int = 5):
        super().__init__()
        self.first, self.second = StackMemory(3, 2), Queue(2, 3)
        reads = self.first.reads_size + self.second.reads_size
        self.input_size, self.output_size = input_size, hidden_size + reads
        self.controller = make_controller("rnn", input_size + reads, hidden_size)
        sizes = [self.first.interface.size, self.second.interface.size]
        self.emit = nn.ModuleList(nn.Linear(hidden_size, size) for size in sizes)

    def initial_state(self, batch_size, *, device=None, dtype=None):
        dtype = dtype or self.emit[0].weight.dtype
        options = {"device": device or self.emit[0].weight.device, "dtype": dtype}
        memories = BothStates(*(m.initial_state(batch_size, **options) for m in (self.first, self.second)))
        return CellState(self.controller.initial_state(batch_size, **options), memories, self._reads(memories))

    def _reads(self, memories):
        return torch.cat([self.first.initial_reads(memories.first), self.second.initial_reads(memories.second)], -1)

    def forward(self, x, state):
        h, controller = self.controller(torch.cat([x, state.reads], -1), state.controller)
        a, first = self.first(self.emit[0](h), state.memory.first)
        b, second = self.second(self.emit[1](h), state.memory.second)
        reads = torch.cat([a, b], -1)
        return torch.cat([h, reads], -1), CellState(controller, BothStates(first, second), reads)


class BothStates(NamedTuple):
    first: tuple
    second: tuple
