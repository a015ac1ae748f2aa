"""Copy as an idealised memory solves it, and random traces of any size, for tests of figures."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot


class Batch(NamedTuple):
    inputs: Tensor
    targets: Tensor
    mask: Tensor
    lengths: Tensor


def copy_task(counts=(12, 7, 9), bits=6, slots=40, width=10, first_slot=5, wrong=0):
    """An idealised solution of the copy task: the write head walks while reading in, the read head after."""
    generator = torch.Generator().manual_seed(0)
    steps, size = 2 * max(counts) + 1, len(counts)
    inputs, targets = torch.zeros(size, steps, bits + 1), torch.zeros(size, steps, bits)
    mask = torch.zeros(size, steps, dtype=torch.bool)
    write, read = torch.zeros(size, steps, 1, slots), torch.zeros(size, steps, 1, slots)
    add, gates = torch.zeros(size, steps, 1, width), torch.zeros(size, steps, 2)
    memory, content = torch.zeros(size, steps, slots, width), torch.zeros(size, slots, width)
    embed = torch.randn(bits, width, generator=generator)
    for b, n in enumerate(counts):
        pattern = (torch.rand(n, bits, generator=generator) < 0.5).float()
        inputs[b, :n, :bits], inputs[b, n, bits] = pattern, 1
        targets[b, n + 1 : 2 * n + 1], mask[b, n + 1 : 2 * n + 1] = pattern, True
        walk = one_hot((first_slot + torch.arange(n)) % slots, slots).float()
        walk = 0.9 * walk + 0.05 * walk.roll(1, -1) + 0.05 * walk.roll(-1, -1)
        write[b, :n, 0] = walk
        read[b, n + 1 : 2 * n + 1, 0] = walk
        write[b, n : 2 * n + 1, 0, (first_slot + n - 1) % slots] = 0.9
        read[b, : n + 1, 0, first_slot] = 0.9
        add[b, :n, 0] = pattern @ embed
        gates[b, n, 0] = 1
    for t in range(steps):
        content = content + write[:, t, 0, :, None] * add[:, t, 0, None, :]
        memory[:, t] = content
    lengths = torch.tensor([2 * n + 1 for n in counts])
    shift = torch.zeros(size, steps, 2, 3)
    shift[..., 2] = 0.95
    shift[..., 1] = 0.05
    trace = {
        "read_weights": read,
        "write_weights": write,
        "memory": memory,
        "reads": torch.einsum("btrn,btnm->btrm", read, memory),
        "key": torch.randn(size, steps, 2, width, generator=generator),
        "strength": 3 + 4 * torch.rand(size, steps, 2, generator=generator),
        "interpolation_gate": gates,
        "shift": shift,
        "sharpening": 1 + 8 * torch.rand(size, steps, 2, generator=generator),
        "erase": torch.ones(size, steps, 1, width),
        "add": add,
        "lengths": lengths,
    }
    outputs = (targets * 0.96 + 0.02).clamp(0, 1)
    for k in range(wrong):
        outputs[0, counts[0] + 2 + k, k % bits] = 1 - outputs[0, counts[0] + 2 + k, k % bits]
    return Batch(inputs, targets, mask, lengths), outputs, trace


def random_task(B=2, T=5, R=3, W=2, N=6, M=4, S=5, features=3, lengths=None):
    """Random values of any sizes, dense in all slots."""
    generator = torch.Generator().manual_seed(1)
    H = R + W

    def rand(*shape):
        return torch.rand(*shape, generator=generator)

    lengths = torch.tensor(lengths or [T] * B)
    trace = {
        "read_weights": rand(B, T, R, N).softmax(-1),
        "write_weights": rand(B, T, W, N).softmax(-1),
        "memory": rand(B, T, N, M) - 0.5,
        "reads": rand(B, T, R, M) - 0.5,
        "key": rand(B, T, H, M),
        "strength": rand(B, T, H) * 20,
        "interpolation_gate": rand(B, T, H),
        "shift": rand(B, T, H, S).softmax(-1),
        "sharpening": 1 + rand(B, T, H),
        "erase": rand(B, T, W, M),
        "add": rand(B, T, W, M) - 0.5,
        "lengths": lengths,
    }
    batch = Batch(rand(B, T, features).round(), rand(B, T, 2).round(), rand(B, T) < 0.5, lengths)
    return batch, rand(B, T, 2), trace


SIZES = [
    {},
    {"B": 1, "T": 1, "R": 3, "W": 2, "N": 1, "M": 1, "S": 1, "features": 1},
    {"B": 3, "T": 7, "R": 1, "W": 3, "N": 127, "M": 3, "S": 3, "lengths": [7, 1, 4]},
    {"B": 1, "T": 90, "R": 1, "W": 1, "N": 300, "M": 2},
]
