"""Small models of every family that has a kernel, and honest calls of them: functions of drawn numbers."""

import functools
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import memnets
from memnets.base.state import map_state


class Args(NamedTuple):
    """A call's arguments."""

    inputs: Any
    state: Any
    lengths: Any


@functools.cache
def queue() -> Any:
    """The memory of docs/extending.md."""
    page = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
    block = next(b for b in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Queue(" in b)
    names: dict[str, Any] = {"__name__": "queue_of_the_docs"}
    exec(block, names)
    return names["Queue"]


def model_of(family: str, random: np.random.Generator) -> Any:
    """A small model of that family, its sizes drawn."""

    def draw(*among: int) -> int:
        return int(random.choice(among))

    features, hidden = draw(1, 3, 8, 17), draw(1, 2, 7, 16)
    options: dict[str, Any] = {"output_size": [None, 2][draw(0, 1)], "checkpoint_every": [None, 3][draw(0, 0, 1)]}
    options["controller"] = ["lstm", "gru", "rnn", "feedforward"][draw(0, 0, 1, 2, 3)]
    options["num_layers"] = draw(1, 1, 2)
    if family in ("act", "repeat"):
        options |= {"max_passes": draw(1, 2, 3)} if family == "act" else {"repeats": draw(1, 2)}
        inner = [None, memnets.StackMemory(draw(1, 3), draw(1, 4)), memnets.DeltaMemory(draw(1, 4), draw(1, 3))][
            draw(0, 1, 2)
        ]
        kind = memnets.ACT if family == "act" else memnets.Repeat
        return precision(kind(features, hidden, memory=inner, backend="fused", **options), draw(0, 1))
    if family == "fast weights":
        options = {key: options[key] for key in ("output_size", "checkpoint_every")}
        return precision(memnets.FastWeights(features, hidden, backend="fused", **options), draw(0, 1))
    memory = {
        "ntm": lambda: memnets.NTMMemory(draw(1, 3, 8, 17), draw(1, 4, 9), draw(1, 2), draw(1, 2), draw(0, 1, 2)),
        "dnc": lambda: memnets.DNCMemory(
            draw(1, 3, 8, 17), draw(1, 4, 9), draw(1, 2), draw(1, 2), *[draw(0, 1) > 0] * 3
        ),
        "stack": lambda: memnets.StackMemory(draw(1, 3, 8, 17), draw(1, 4, 9), draw(1, 2), joint=draw(0, 1) > 0),
        "neural stack": lambda: memnets.NeuralStackMemory(
            draw(1, 3, 8, 17), draw(1, 4, 9), draw(1, 2), kind=("stack", "queue")[draw(0, 1)]
        ),
        "tape": lambda: memnets.TapeMemory(draw(1, 3, 8, 17), draw(1, 4, 9), draw(1, 2)),
        "mann": lambda: memnets.MANNMemory(draw(3, 8, 17), draw(1, 4, 9), draw(1, 2), 0.9, *[draw(0, 1) > 0] * 3),
        "sam": lambda: memnets.SAMMemory(draw(8, 17), draw(1, 4, 9), draw(1, 2), draw(1, 2)),
        "delta": lambda: memnets.DeltaMemory(draw(1, 4, 17), draw(1, 4, 9), draw(1, 2)),
        "queue": lambda: queue()(draw(2, 3, 8, 17), draw(1, 4, 9)),
    }[family]()
    options["memory_layers"] = draw(1, 1, 1, 2)
    model = memnets.MemoryNetwork(features, hidden, memory=memory, backend=backends(memory)[1], **options)
    return precision(model, draw(0, 1))


def precision(model: Any, double: int) -> Any:
    """The model in float64 or in float32."""
    return model.double() if double else model


FAMILIES = (
    *("ntm", "dnc", "stack", "delta", "queue"),
    *("neural stack", "tape", "mann", "sam", "fast weights", "act", "repeat"),
)
SORTED = (memnets.DNCMemory, memnets.MANNMemory, memnets.SAMMemory)
"""They put slots in an order of use. Those of a fresh memory are all used equally: which comes first is a matter of
rounding, in float64 another than in float32, so calls that are compared start from a drawn state."""


def backends(model: Any) -> tuple[str, str]:
    """The plain cell, and what is compared with it: where a memory has no kernel, the module's own way."""
    return "reference", "auto" if any(isinstance(part, memnets.SAMMemory) for part in model.modules()) else "fused"


def has_order(model: Any) -> bool:
    """Whether it has a memory of :data:`SORTED`."""
    return any(isinstance(part, SORTED) for part in model.modules())


def drawn_state(model: Any, batch: int) -> Any:
    """A state whose numbers are all different; what counts, or says which, stays as it is."""
    own = model.initial_state(batch)
    return all_used(map_state(lambda t: torch.rand_like(t) * 0.5 if t.is_floating_point() else t, own))


def all_used(state: Any) -> Any:
    """The state, with the slots of a sparse memory counted as used: those that are not must be zero."""
    if isinstance(state, Tensor):
        return state
    state = type(state)(*map(all_used, state))
    if isinstance(state, memnets.SAMState):
        return state._replace(used=torch.full_like(state.used, state.memory.shape[1]))
    return state


def honest_args(model: Any, random: np.random.Generator) -> Args:
    """Inputs, a state and lengths that fit, in any layout that PyTorch has."""
    batch, steps = int(random.choice([1, 2, 3, 8, 17])), int(random.choice([1, 2, 5, 9, 20]))
    dtype = next(model.parameters()).dtype
    inputs = layout(torch.randn(batch, steps, model.input_size, dtype=dtype), random)
    state = None
    if random.random() < 0.5 or has_order(model):
        state = map_state(lambda t: layout(t, random), drawn_state(model, batch))
    lengths = None
    if random.random() < 0.5:
        lengths = [int(n) for n in random.integers(0, steps + 1, batch)]
        lengths = torch.tensor(lengths) if random.random() < 0.5 else lengths
    return Args(inputs, state, lengths)


def layout(tensor: Tensor, random: np.random.Generator) -> Tensor:
    """The same shape with other strides."""
    turned = tensor.transpose(0, -1).contiguous().transpose(0, -1)
    wide = torch.cat([tensor, tensor], -1)
    return [
        lambda: tensor,
        lambda: turned,
        lambda: wide[..., : tensor.shape[-1]],
        lambda: wide[..., ::2] if tensor.shape[-1] > 1 else tensor,
        lambda: tensor[:1].expand_as(tensor),
        lambda: torch._neg_view(tensor) if tensor.is_floating_point() else tensor,
        lambda: tensor.flip(0),
    ][int(random.integers(7))]()
