"""Calls of fused kernels, honest and hostile, each a function of a seed and a number, and what became of them.

An honest call must give the plain cell's numbers. A hostile one must do the same through both backends: the same
numbers, or the same error of one line. What is handed to the operators directly must be refused, or fit.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from hostile_tensors import INPUTS, LENGTHS, PARAMETERS, STATES, STORAGES
from torch import Tensor

import memnets
from memnets import kernels
from memnets.base.state import map_state, state_tensors

TOLERANCE = {torch.float32: 2e-3, torch.float64: 1e-7}
BEYOND = ("huge", "of infinities")
"""Where the order of operations says whether a number overflows to an infinity or to NaN: shapes alone are compared."""
EQUAL = ("state tiny", "state of NaN")
"""These make slots equal, of which rounding then says which comes first."""

CLEAR = (ValueError, TypeError, memnets.BackendUnavailableError, MemoryError)


class Outcome(NamedTuple):
    """What became of a call: its kind, a word, and details."""

    kind: str
    word: str
    what: str = ""


class Args(NamedTuple):
    """A call's arguments."""

    inputs: Any
    state: Any
    lengths: Any


@functools.cache
def queue() -> Any:
    """The memory of docs/extending.md."""
    page = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
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


# ---- Running ----


def run(model: Any, args: Args, seed: int, back: bool = True) -> list[Tensor]:
    """Outputs, last state, and gradients of inputs, state and parameters."""
    inputs, state, lengths = args
    leaves = []
    if back:
        if isinstance(inputs, Tensor) and inputs.is_floating_point():
            inputs = inputs.detach().requires_grad_()
            leaves.append(inputs)
        leaves += [p for p in model.parameters() if p.requires_grad]
    outputs, last = model(inputs, state, lengths)
    found = [outputs, *state_tensors(last)]
    if back:
        generator = torch.Generator().manual_seed(seed)
        floats = [t for t in found if t.is_floating_point()]  # what only says which slot has no gradient
        drawn = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in floats]
        loss = torch.stack([(a * t).sum() for a, t in zip(drawn, floats)]).sum()
        loss = loss + sum(0 * leaf.sum() for leaf in leaves[:1])  # where all lengths are 0, a constant
        grads = torch.autograd.grad(loss, leaves, allow_unused=True) if leaves else ()
        found += [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(grads, leaves)]
    return [t.detach() for t in found]


def attempt(work: Callable[[], Any]) -> Any:
    """What it gives, or the error."""
    try:
        return work()
    except (Exception, RecursionError) as error:
        return error


def compare(kind: str, plain: Any, fused: Any, shapes: bool = False) -> Outcome:
    """Whether both backends did the same; with ``shapes``, shapes alone of what they gave."""
    if isinstance(fused, memnets.BackendUnavailableError):
        return Outcome(kind, "refused", one_line(fused))
    if isinstance(plain, Exception) and isinstance(fused, Exception):
        if (type(plain), str(plain)) != (type(fused), str(fused)):
            return Outcome(kind, "TWO ERRORS", f"{one_line(plain)} | {one_line(fused)}")
        return judged(kind, fused)
    if isinstance(plain, Exception) or isinstance(fused, Exception):
        what = [one_line(r) if isinstance(r, Exception) else "numbers" for r in (plain, fused)]
        return Outcome(kind, "DIFFERS", " | ".join(what))
    if shapes or any(word in kind for word in BEYOND):
        return Outcome(kind, "same numbers" if [a.shape for a in plain] == [b.shape for b in fused] else "DIFFERS")
    for number, (a, b) in enumerate(zip(plain, fused, strict=True)):
        tolerance = TOLERANCE.get(b.dtype, 1e-2)
        scale = float(torch.nan_to_num(a.double(), 0, 0, 0).abs().max()) if a.numel() else 0
        if a.shape != b.shape or not torch.allclose(a, b, rtol=tolerance, atol=tolerance * (1 + scale), equal_nan=True):
            return Outcome(kind, "DIFFERS", f"tensor {number} of {len(plain)}, {tuple(a.shape)}")
    return Outcome(kind, "same numbers")


def judged(kind: str, error: Exception) -> Outcome:
    """An error is clear where it is of ours, of one line; torch's own are counted apart."""
    clear = isinstance(error, CLEAR) and "\n" not in str(error)
    of_torch = isinstance(error, RuntimeError) or (isinstance(error, IndexError) and "dimension" in str(error))
    word = "clear error" if clear else "torch's error" if of_torch else "RAW ERROR"
    return Outcome(kind, word, one_line(error))


def one_line(error: Exception) -> str:
    """Type and message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def both(kind: str, model: Any, args: Args, seed: int, back: bool = True) -> Outcome:
    """The call through both backends."""
    found = []
    for name in backends(model):
        model.backend = name
        found.append(attempt(lambda: run(model, args, seed, back)))
    return compare(kind, *found, shapes=kind in EQUAL and has_order(model))


# ---- Attacks: each takes (model, honest arguments, random, seed) ----


def honest(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """Nothing is wrong."""
    outcome = both("honest", model, args, seed, random.random() < 0.7)
    return outcome if outcome.word == "same numbers" else outcome._replace(word="DIFFERS")


def sizes_by_hand(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """A whole number of the module or of one of its parts is another."""
    places = [(part, name) for part in model.modules() for name, v in vars(part).items() if type(v) is int]
    part, name = places[int(random.integers(len(places)))]
    setattr(part, name, int(random.choice([-1, 0, 1, 2, 3, 7, 16, getattr(part, name) + 1])))
    fresh = random.random() < 0.5
    if random.random() < 0.3:
        with contextlib.suppress(Exception):
            args = args._replace(inputs=torch.randn(2, 3, model.input_size, dtype=args.inputs.dtype), lengths=None)
    if fresh:
        args = args._replace(state=None)
        with contextlib.suppress(Exception):  # of sizes with which nothing can be made, the call says what is wrong
            args = args._replace(state=drawn_state(model, len(args.inputs)) if has_order(model) else None)
    return both(f"size by hand: {name}", model, args, seed)


def hostile_state(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """One tensor of the state, or all, are what they should not be."""
    name = str(random.choice(list(STATES)))
    draw = drawn_state if has_order(model) else type(model).initial_state
    state = draw(model, len(args.inputs))
    chosen, count = int(random.integers(-1, 8)), iter(range(100))
    state = map_state(lambda t: STATES[name](t.clone()) if next(count) == chosen or chosen < 0 else t, state)
    return both(f"state {name}", model, args._replace(state=state), seed)


def hostile_inputs(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """Inputs that are none, or cannot be."""
    name = str(random.choice(list(INPUTS)))
    return both(f"inputs {name}", model, args._replace(inputs=INPUTS[name](args.inputs.clone())), seed)


def hostile_lengths(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """Lengths that are no lengths."""
    name = str(random.choice(list(LENGTHS)))
    make = LENGTHS[name]
    steps = args.inputs.shape[1]
    found = []
    for backend in backends(model):
        model.backend = backend
        given = args._replace(lengths=make(len(args.inputs), steps))
        found.append(attempt(lambda given=given: run(model, given, seed)))
    return compare(f"lengths {name}", *found)


def hostile_parameters(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """A parameter whose numbers were exchanged."""
    name = str(random.choice(list(PARAMETERS)))
    parameters = list(model.cell.parameters())
    if random.random() < 0.5:
        attempt(lambda: run(model, args, seed))  # a kernel is there, which must not serve afterwards
    PARAMETERS[name](parameters[int(random.integers(len(parameters)))])
    return both(f"parameter {name}", model, args, seed)


def freed_storage(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """A tensor whose storage is gone before forward or before backward: the plain cell would read it, too."""
    name = str(random.choice(list(STORAGES)))
    args = args._replace(state=map_state(Tensor.clone, model.initial_state(len(args.inputs))))
    inputs = args.inputs.detach().clone().requires_grad_()
    targets = [inputs, *state_tensors(args.state), *model.cell.parameters()]
    target = targets[int(random.integers(len(targets)))]
    first = random.random() < 0.5
    if first:
        STORAGES[name](target)
        return alone("storage before forward", lambda: model(inputs, args.state, args.lengths))
    outputs, _ = model(inputs, args.state, args.lengths)
    STORAGES[name](target)
    loss = outputs.sum()
    return alone("storage before backward", lambda: torch.autograd.grad(loss, list(model.cell.parameters())))


def alone(kind: str, work: Callable[[], Any]) -> Outcome:
    """A call that has no plain counterpart."""
    found = attempt(work)
    return judged(kind, found) if isinstance(found, Exception) else Outcome(kind, "ran")


def graph(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """Unusual ways back: twice, in batches, of gradients, after changes in place, of the last state alone."""
    inputs = args.inputs.detach().clone().requires_grad_()
    ways = ("twice", "double", "batched", "in place", "saved in place", "state alone", "expanded")
    way = str(random.choice(ways))

    def work() -> Any:
        outputs, last = model(inputs, args.state, args.lengths)
        weights = list(model.cell.parameters())
        if way == "twice":
            torch.autograd.grad(outputs.sum(), weights, retain_graph=True, allow_unused=True)
        if way == "double":
            (d,) = torch.autograd.grad(outputs.square().sum(), [inputs], create_graph=True)
            return torch.autograd.grad(d.sum(), weights, allow_unused=True)
        if way == "batched":
            given = torch.ones(3, *outputs.shape, dtype=outputs.dtype)
            return torch.autograd.grad(outputs, weights, given, is_grads_batched=True, allow_unused=True)
        if way == "in place":
            with torch.no_grad():
                weights[0].add_(1)
        if way == "saved in place":
            for saved in getattr(outputs.grad_fn, "saved_tensors", ()):
                saved.resize_(saved.numel() // 2)
        if way == "state alone":
            return torch.autograd.grad(next(state_tensors(last)).sum(), weights, allow_unused=True)
        return torch.autograd.grad(outputs.sum(), weights, allow_unused=True)

    return alone(f"graph: {way}", work)


def sequence_door(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """``kernels.run_sequence`` with what the module would have refused."""
    key, *names = kernels.find(model.cell)
    if not key:
        return honest(model, args, random, seed)
    batch, steps = args.inputs.shape[:2]
    state: Any = model.initial_state(batch)
    inputs, counts, options = args.inputs, None, {}
    way = int(random.integers(9))
    if way == 0:
        state = model.initial_state(batch + int(random.choice([-1, 1, 5]))) if batch > 1 else model.initial_state(9)
    elif way == 1:
        state = map_state(lambda t: t[..., :-1], state)
    elif way == 2:
        state = map_state(STATES[str(random.choice(list(STATES)))], state)
    elif way == 3:
        inputs = INPUTS[str(random.choice(list(INPUTS)))](inputs.clone())
    elif way == 4:
        counts = LENGTHS[str(random.choice(list(LENGTHS)))](batch, steps)
    elif way == 5:
        names = names[::-1] if random.random() < 0.5 else names[:-1]
    elif way == 6:
        key = str(random.choice(["", "ntm", "triton-1-1-3", key[:-1]]))
    elif way == 7:
        options = {"detach_every": int(random.choice([-3, 0, 1])), "checkpoint_every": int(random.choice([-3, 0, 1]))}
    else:
        inputs = torch.zeros(*random.choice([0, 1, 2], 2), model.input_size, dtype=inputs.dtype)
    return alone(
        f"run_sequence {way}", lambda: kernels.run_sequence(model.cell, key, names, inputs, state, counts, **options)
    )


def operator_door(model: Any, args: Args, random: np.random.Generator, seed: int) -> Outcome:
    """``torch.ops.memnets`` with arguments of which some are impossible."""
    key, *names = kernels.find(model.cell)
    if not key:
        return honest(model, args, random, seed)
    inputs = args.inputs.transpose(0, 1)
    steps, batch = inputs.shape[:2]
    state = list(state_tensors(model.initial_state(batch)))
    parameters = [functools.reduce(getattr, name.split("."), model.cell).detach() for name in names]
    lengths = torch.tensor(sorted(random.integers(0, steps + 1, batch).tolist(), reverse=True))
    forward, backward = torch.ops.memnets.fused_forward, torch.ops.memnets.fused_backward
    outputs, *rest = forward(key, inputs, state, parameters, lengths, True)
    last, kept = rest[: len(state)], rest[len(state) :]
    given: list[Any] = [key, inputs, state, parameters, lengths, kept, torch.randn_like(outputs), last]
    for _ in range(int(random.integers(1, 3))):
        place = int(random.integers(len(given)))
        given[place] = spoiled(given[place], random)
    if random.random() < 0.5:
        return alone("operator forward", lambda: forward(*given[:5], bool(random.random() < 0.5)))
    return alone("operator backward", lambda: backward(*given))


def spoiled(value: Any, random: np.random.Generator) -> Any:
    """Something else of about the same type."""
    if isinstance(value, str):
        return str(random.choice(["", "x", value[::-1]]))
    if isinstance(value, list):
        number = int(random.integers(len(value))) if value else 0
        ways: Sequence[Callable[[], Any]] = (
            lambda: value[:-1],
            lambda: value + value[:1],
            lambda: value[::-1],
            lambda: [],
            lambda: [spoiled(t, random) if n == number else t for n, t in enumerate(value)],
        )
        return ways[int(random.choice([0, 1, 2, 3, 4, 4, 4, 4]))]()
    tables = (STATES, INPUTS)
    table = tables[int(random.integers(2))]
    return table[str(random.choice(list(table)))](value.clone())


ATTACKS: dict[str, tuple[Callable[..., Outcome], float]] = {
    "honest": (honest, 0.3),
    "sizes by hand": (sizes_by_hand, 0.12),
    "state": (hostile_state, 0.12),
    "inputs": (hostile_inputs, 0.08),
    "lengths": (hostile_lengths, 0.06),
    "parameters": (hostile_parameters, 0.08),
    "storage": (freed_storage, 0.05),
    "graph": (graph, 0.05),
    "run_sequence": (sequence_door, 0.06),
    "operators": (operator_door, 0.08),
}
"""By name, with the share of all calls."""


def call(seed: int, number: int, programs: int) -> tuple[str, Outcome]:
    """One call: its group, and what became of it."""
    random = np.random.default_rng([seed, number])
    family, program = FAMILIES[number % len(FAMILIES)], int(random.integers(programs))
    torch.manual_seed(program)
    model = model_of(family, np.random.default_rng([seed, number % len(FAMILIES), program]))
    torch.manual_seed(number)
    torch.set_num_threads(int(random.choice([1, 1, 2, 3])))
    names, shares = list(ATTACKS), [share for _, share in ATTACKS.values()]
    name = str(random.choice(names, p=shares))
    args = honest_args(model, random)
    outcome = ATTACKS[name][0](model, args, random, number)
    return name, outcome._replace(kind=f"{family}, {outcome.kind}")
