"""Calls of fused kernels, honest and hostile, each a function of a seed and a number, and what became of them.

An honest call must give the plain cell's numbers. A hostile one must do the same through both backends: the same
numbers, or the same error of one line. What is handed to the operators directly must be refused, or fit. Each attack
takes ``(model, honest arguments, random, seed)``.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from hostile_families import FAMILIES, Args, backends, drawn_state, has_order, honest_args, model_of
from hostile_outcomes import Outcome, alone, attempt, both, compare, run
from hostile_tensors import INPUTS, LENGTHS, PARAMETERS, STATES, STORAGES
from torch import Tensor

from memnets import kernels
from memnets.base.checks import lacks_storage
from memnets.base.state import map_state, state_tensors


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
            return torch.autograd.grad(state_tensors(last)[0].sum(), weights, allow_unused=True)
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
        key = str(random.choice(["", "ntm", "cuda-1-1-3", key[:-1]]))
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
    change = table[str(random.choice(list(table)))]
    if value.is_nested or lacks_storage(value):  # it is spoiled already
        return value
    return change(value.clone())


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
