"""Copy as an idealised memory solves it, random traces of any size, and those of other memories, for tests."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

NTM = {
    "read_weights": "weighting",
    "write_weights": "weighting",
    "memory": "contents",
    "reads": "vector",
    "key": "vector",
    "strength": "scalar",
    "interpolation_gate": "gate",
    "shift": "weighting",
    "sharpening": "scalar",
    "erase": "vector",
    "add": "vector",
}


class FakeTrace(dict):
    """What the figures read of a trace: tensors by name, and their kinds."""

    def __init__(self, tensors, kinds):
        super().__init__(tensors)
        self.kinds = {name: kind for name, kind in kinds.items() if name in tensors}

    def __delitem__(self, name):
        super().__delitem__(name)
        self.kinds.pop(name, None)

    def __or__(self, changes):
        """The same with other tensors."""
        return FakeTrace({**self, **changes}, self.kinds)

    def map(self, change):
        """The same with ``change`` made to each tensor but the lengths."""
        return FakeTrace({n: t if n == "lengths" else change(t) for n, t in self.items()}, self.kinds)


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
    return Batch(inputs, targets, mask, lengths), outputs, FakeTrace(trace, NTM)


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
    return batch, rand(B, T, 2), FakeTrace(trace, NTM)


def queue_trace(steps=7, slots=4, width=3):
    """A memory without weightings: what was pushed, and the slots that it moves through."""
    pushed = torch.randn(1, steps, width, generator=torch.Generator().manual_seed(2))
    contents = torch.zeros(1, steps, slots, width)
    for t in range(steps):
        for n in range(min(slots, t + 1)):
            contents[0, t, n] = pushed[0, t - n]
    tensors = {"value": pushed, "slots": contents, "lengths": torch.tensor([steps])}
    return FakeTrace(tensors, {"value": "vector", "slots": "contents"})


def unforeseen_trace(steps=6, slots=9):
    """Records of every kind in every shape, under names that nobody knows."""
    generator = torch.Generator().manual_seed(3)

    def rand(*shape):
        return torch.rand(2, steps, *shape, generator=generator)

    records = {
        "one_pointer": ("weighting", rand(slots).softmax(-1)),
        "pointers": ("weighting", rand(3, slots).softmax(-1)),
        "modes": ("weighting", rand(2, 3).softmax(-1)),
        "valve": ("gate", rand()),
        "valves": ("gate", rand(2)),
        "many_valves": ("gate", rand(12)),
        "valves_of_heads": ("gate", rand(2, 5)),
        "told": ("vector", rand(4) - 0.5),
        "told_by_heads": ("vector", rand(3, 4) - 0.5),
        "held": ("contents", rand(slots, 4) - 0.5),
        "stacks": ("contents", rand(2, slots, 4) - 0.5),
        "order": ("matrix", rand(slots, slots)),
        "orders": ("matrix", rand(2, slots, slots) - 0.5),
        "depth": ("scalar", rand() * 40),
        "depths": ("scalar", rand(2, 1) * 40 - 20),
        "many": ("scalar", rand(9) - 0.5),
    }
    tensors = {name: value for name, (_, value) in records.items()}
    kinds = {name: kind for name, (kind, _) in records.items()}
    return FakeTrace({**tensors, "lengths": torch.tensor([steps, steps - 2])}, kinds)


def two_memories():
    """Two memories of one module, with the same names under their own."""
    _, _, first = random_task(R=1, W=1)
    tensors, kinds = {"lengths": first["lengths"]}, {}
    for name, kind in first.kinds.items():
        for memory, scale in (("first", 1.0), ("inner.second", 0.5)):
            tensors[f"{memory}.{name}"], kinds[f"{memory}.{name}"] = first[name] * scale, kind
    return FakeTrace(tensors, kinds)


SIZES = [
    {},
    {"B": 1, "T": 1, "R": 3, "W": 2, "N": 1, "M": 1, "S": 1, "features": 1},
    {"B": 3, "T": 7, "R": 1, "W": 3, "N": 127, "M": 3, "S": 3, "lengths": [7, 1, 4]},
    {"B": 1, "T": 90, "R": 1, "W": 1, "N": 300, "M": 2},
]
