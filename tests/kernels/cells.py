"""Recurrent cells in plain PyTorch, none of which the generator knows."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from memnets.ops import content_weights


class DNCState(NamedTuple):
    """A DNC's."""

    hidden: Tensor
    cell: Tensor
    memory: Tensor
    usage: Tensor
    precedence: Tensor
    links: Tensor
    read_weights: Tensor
    write_weights: Tensor
    reads: Tensor


class DNC(nn.Module):
    """Graves et al. 2016 with an LSTM and one write head: usage, allocation, links, read modes."""

    def __init__(self, input_size=9, hidden=100, slots=128, width=20, heads=1):
        super().__init__()
        self.input_size, self.hidden, self.slots, self.width, self.heads = input_size, hidden, slots, width, heads
        self.lstm = nn.LSTMCell(input_size + heads * width, hidden)
        self.sizes = [heads * width, heads, width, 1, width, width, heads, 1, 1, 3 * heads]
        self.interface = nn.Linear(hidden, sum(self.sizes))
        self.output_size = hidden + heads * width

    def initial_state(self, batch_size, *, device=None, dtype=None):
        dtype = dtype or self.interface.weight.dtype

        def zeros(*shape):
            return torch.zeros(batch_size, *shape, device=device, dtype=dtype)

        n, m, r, h = self.slots, self.width, self.heads, self.hidden
        return DNCState(
            zeros(h), zeros(h), zeros(n, m) + 1e-6, zeros(n), zeros(n), zeros(n, n), zeros(r, n), zeros(n), zeros(r, m)
        )

    def forward(self, x, s):
        hidden, cell = self.lstm(torch.cat([x, s.reads.flatten(1)], -1), (s.hidden, s.cell))
        kr, br, kw, bw, erase, add, free, ga, gw, modes = self.interface(hidden).split(self.sizes, -1)
        kr, modes = kr.unflatten(-1, (self.heads, -1)), torch.softmax(modes.unflatten(-1, (self.heads, 3)), -1)
        br, bw = 1 + F.softplus(br), 1 + F.softplus(bw)
        erase, free, ga, gw = (torch.sigmoid(v) for v in (erase, free, ga, gw))
        retention = (1 - free.unsqueeze(-1) * s.read_weights).prod(1)
        usage = (s.usage + s.write_weights - s.usage * s.write_weights) * retention
        ordered, index = torch.sort(usage, -1)
        before = torch.cumprod(torch.cat([torch.ones_like(ordered[:, :1]), ordered[:, :-1]], -1), -1)
        allocation = torch.zeros_like(usage).scatter(1, index, (1 - ordered) * before)
        content = content_weights(s.memory, kw.unsqueeze(1), bw)[:, 0]
        write = gw * (ga * allocation + (1 - ga) * content)
        memory = s.memory * (1 - write.unsqueeze(-1) * erase.unsqueeze(1)) + write.unsqueeze(-1) * add.unsqueeze(1)
        links = (1 - write.unsqueeze(2) - write.unsqueeze(1)) * s.links + write.unsqueeze(2) * s.precedence.unsqueeze(1)
        links = links * (1 - torch.eye(self.slots, dtype=links.dtype))
        precedence = (1 - write.sum(-1, keepdim=True)) * s.precedence + write
        forward = torch.bmm(s.read_weights, links.transpose(1, 2))
        backward = torch.bmm(s.read_weights, links)
        content = content_weights(memory, kr, br)
        read = modes[..., 0:1] * backward + modes[..., 1:2] * content + modes[..., 2:] * forward
        reads = torch.bmm(read, memory)
        state = DNCState(hidden, cell, memory, usage, precedence, links, read, write, reads)
        return torch.cat([hidden, reads.flatten(1)], -1), state


class StackState(NamedTuple):
    """A stack's."""

    hidden: Tensor
    stack: Tensor


class Stack(nn.Module):
    """Joulin and Mikolov 2015: a mixture of push, pop and no operation, driven by an RNN that sees the top."""

    def __init__(self, input_size=9, hidden=40, stacks=2, depth=16, width=8):
        super().__init__()
        self.input_size, self.hidden, self.stacks, self.depth, self.width = input_size, hidden, stacks, depth, width
        self.rnn = nn.RNNCell(input_size + stacks * width, hidden)
        self.action = nn.Linear(hidden, 3 * stacks)
        self.value = nn.Linear(hidden, stacks * width)
        self.output_size = hidden

    def initial_state(self, batch_size, *, device=None, dtype=None):
        dtype = dtype or self.action.weight.dtype
        return StackState(
            torch.zeros(batch_size, self.hidden, device=device, dtype=dtype),
            torch.zeros(batch_size, self.stacks, self.depth, self.width, device=device, dtype=dtype),
        )

    def forward(self, x, s):
        hidden = self.rnn(torch.cat([x, s.stack[:, :, 0].flatten(1)], -1), s.hidden)
        push, pop, stay = torch.softmax(self.action(hidden).unflatten(-1, (self.stacks, 3, 1, 1)), 2).unbind(2)
        value = torch.sigmoid(self.value(hidden)).unflatten(-1, (self.stacks, 1, self.width))
        pushed = torch.cat([value, s.stack[:, :, :-1]], 2)
        popped = torch.cat([s.stack[:, :, 1:], torch.zeros_like(s.stack[:, :, :1])], 2)
        return hidden, StackState(hidden, push * pushed + pop * popped + stay * s.stack)


class DeltaState(NamedTuple):
    """A delta rule's."""

    memory: Tensor


class Delta(nn.Module):
    """The delta rule with several heads: S + beta k (v - k S)."""

    def __init__(self, input_size=16, heads=4, key=16, value=16):
        super().__init__()
        self.input_size, self.heads, self.key, self.value = input_size, heads, key, value
        self.project = nn.Linear(input_size, heads * (2 * key + value + 1))
        self.output_size = heads * value

    def initial_state(self, batch_size, *, device=None, dtype=None):
        dtype = dtype or self.project.weight.dtype
        return DeltaState(torch.zeros(batch_size, self.heads, self.key, self.value, device=device, dtype=dtype))

    def forward(self, x, s):
        parts = self.project(x).unflatten(-1, (self.heads, -1))
        q, k, v, beta = parts.split([self.key, self.key, self.value, 1], -1)
        k, beta = F.normalize(k, dim=-1), torch.sigmoid(beta)
        old = torch.einsum("bhk,bhkv->bhv", k, s.memory)
        memory = s.memory + torch.einsum("bhk,bhv->bhkv", k, beta * (v - old))
        return torch.einsum("bhk,bhkv->bhv", q, memory).flatten(1), DeltaState(memory)


class QueueState(NamedTuple):
    """A queue's."""

    hidden: Tensor
    slots: Tensor
    reads: Tensor


class Queue(nn.Module):
    """The memory of docs/extending.md behind a GRU: each step pushes a vector and reads the oldest."""

    def __init__(self, input_size=9, hidden=32, slots=8, width=8):
        super().__init__()
        self.input_size, self.hidden, self.slots, self.width = input_size, hidden, slots, width
        self.gru = nn.GRUCell(input_size + width, hidden)
        self.interface = nn.Linear(hidden, width)
        self.output_size = hidden + width

    def initial_state(self, batch_size, *, device=None, dtype=None):
        dtype = dtype or self.interface.weight.dtype
        return QueueState(
            torch.zeros(batch_size, self.hidden, dtype=dtype),
            torch.zeros(batch_size, self.slots, self.width, dtype=dtype),
            torch.zeros(batch_size, self.width, dtype=dtype),
        )

    def forward(self, x, s):
        hidden = self.gru(torch.cat([x, s.reads], -1), s.hidden)
        pushed = torch.cat([self.interface(hidden).tanh().unsqueeze(1), s.slots[:, :-1]], 1)
        return torch.cat([hidden, pushed[:, -1]], -1), QueueState(hidden, pushed, pushed[:, -1])


class Odd(nn.Module):
    """Many operators at once: parameters that are no product's, changes in place, indices, scans, norms, reductions."""

    def __init__(self, input_size=5, hidden=6):
        super().__init__()
        self.input_size, self.hidden = input_size, hidden
        self.first = nn.Linear(input_size, hidden, bias=False)
        self.norm = nn.LayerNorm(hidden)
        self.decay = nn.Parameter(torch.linspace(-1, 1, hidden))
        self.mix = nn.Parameter(torch.randn(3, 3) * 0.3)
        self.each = nn.Linear(hidden, hidden)
        self.scale = nn.Parameter(torch.tensor([0.7]))
        self.register_buffer("table", torch.randn(hidden))
        self.output_size = hidden

    def initial_state(self, batch_size, *, device=None, dtype=None):
        dtype = dtype or self.decay.dtype
        return DNCState(
            *(torch.zeros(batch_size, self.hidden, dtype=dtype) for _ in range(2)),
            *(torch.ones(batch_size, 3, self.hidden, dtype=dtype) for _ in range(7)),
        )

    def forward(self, x, s):
        a = self.norm(self.first(x) + s.hidden * torch.sigmoid(self.decay))
        b = F.gelu(a) + F.elu(s.cell) * F.silu(a) - F.leaky_relu(a, 0.1)
        rows = torch.einsum("ij,bjk->bik", torch.softmax(self.mix, -1), s.memory)
        rows = self.each(rows) * self.scale
        rows = rows.clone()
        rows[:, 1, ::2] = a[:, ::2]
        rows[:, 0].mul_(0.5)
        top, where = rows.topk(2, dim=-1)
        picked = rows.gather(-1, where.flip(-1)) - top.roll(1, -1)
        c = torch.cumsum(rows, -1).tril() + torch.cumprod(1 + 0.1 * rows, 1) + rows.abs().amax(-1, keepdim=True)
        c = torch.where(c > 1, c.clamp(-2, 2), c * self.table)
        d = F.pad(c[:, :, 1:], (1, 0), value=0.5).flip(1) + torch.log1p(c.square()) + picked.sum(-1, keepdim=True)
        n = F.normalize(d, dim=-1) * torch.logsumexp(d, -1, keepdim=True) + F.log_softmax(d, 1) + d.std(1, keepdim=True)
        e = torch.zeros_like(n)
        e[:, :, 2:4] = n[:, :, 1:3]
        first = (n.detach() * n).mean(1)
        return torch.tanh(first + b), s._replace(
            hidden=torch.tanh(first),
            cell=torch.minimum(a, b),
            memory=torch.tanh(n),
            usage=e.tanh(),
            links=(n > 0) * 1.0 * n,
        )
