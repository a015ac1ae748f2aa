"""Several passes a step as NumPy float64 loops over sequences, steps and passes, written from the papers.

A cell here is a function ``(x (I,), state) -> (y (F,), state)`` of one sequence, its state a list of arrays.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import oracles
from oracles import memories

Array = np.ndarray
Cell = Callable[[Array, list[Array]], tuple[Array, list[Array]]]


def act(
    inputs: Array, cell: Cell, start: list[Array], weight: Array, bias: float, epsilon: float, most: int
) -> tuple[Array, list[Array], float, Array]:
    """Graves 2016, section 2, over one sequence (T, I): outputs, last state, its ponder cost, last p_t^n."""
    outputs, state, ponder, shares = [], start, 0.0, np.zeros(most)
    for x in inputs:
        tried, halting = [], []
        inner = state
        while True:  # pass n, from 1 on
            y, inner = cell(np.array([*x, 1.0 if not tried else 0.0]), inner)
            tried.append((y, inner))
            halting.append(oracles.sigmoid(weight @ y + bias))
            if sum(halting) >= 1 - epsilon or len(tried) == most:
                break
        remainder = 1 - sum(halting[:-1])  # R(t)
        p = [*halting[:-1], remainder]
        shares = np.array([*p, *[0.0] * (most - len(p))])
        outputs.append(sum(share * y for share, (y, _) in zip(p, tried)))
        state = [sum(share * s[n] for share, (_, s) in zip(p, tried)) for n in range(len(state))]
        ponder += len(tried) + remainder  # rho_t = N(t) + R(t)
    return np.array(outputs), state, ponder, shares


def repeat(inputs: Array, cell: Cell, start: list[Array], repeats: int) -> tuple[Array, list[Array]]:
    """Fojo et al. 2018, section 2.2, over one sequence (T, I): each input ``repeats`` times, the first one flagged."""
    outputs, state = [], start
    for x in inputs:
        y = None
        for n in range(repeats):
            y, state = cell(np.array([*x, float(n == 0)]), state)
        outputs.append(y)
    return np.array(outputs), state


def controller_of(module: Any, weights: dict[str, Array], prefix: str) -> tuple[Cell, list[Array]]:
    """A controller alone as a cell, and its first state."""
    kind = type(module).__name__.removesuffix("Controller").lower()
    layers = oracles.controller_layers(weights, f"{prefix}layers.")
    start = oracles.layered_state(kind, 1, layers)

    def step(x: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        named = {name: value.copy() for name, value in zip(start, state)}
        return oracles.layered_step(kind, x[None], named, layers)[0], list(named.values())

    return step, list(start.values())


def with_memory(module: Any, weights: dict[str, Array], prefix: str, memory: memories.LoopMemory) -> tuple[Cell, Any]:
    """A controller with a memory as a cell, and its first state: at step t the controller sees x_t and r_{t-1}."""
    controller, first = controller_of(module.controller, weights, f"{prefix}controller.")
    start = memory.start(1)

    def step(x: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        *others, reads = state
        h, inner = controller(np.concatenate([x, reads[0]]), others[: len(first)])
        emission = weights[f"{prefix}interface.weight"] @ h + weights[f"{prefix}interface.bias"]
        reads, kept = memory.step(emission[None], others[len(first) :])
        return np.concatenate([h, reads[0]]), [*inner, *kept, reads]

    return step, [*first, *start, memory.first(start)]


def stacked(inputs: Array, weights: dict[str, Array], module: Any, loops_of: Any) -> tuple[Array, list[Array]]:
    """Cells with memories one above the other over inputs (B, T, I), a cell after another: outputs and last state."""
    made = [with_memory(c, weights, f"cell.cells.{n}.", loops_of(c.memory)) for n, c in enumerate(module.cells)]
    outputs, states = [], []
    for sequence in inputs:
        ends = []
        for cell, state in made:
            above = []
            for x in sequence:
                y, state = cell(x, state)
                above.append(y)
            sequence = np.array(above)
            ends.append(state)
        outputs.append(oracles.project(sequence, weights))
        states.append([np.stack(parts, axis=1) for parts in zip(*ends)])
    return np.array(outputs), [np.concatenate(parts) for parts in zip(*states)]


def network(inputs: Array, weights: dict[str, Array], module: Any, loops_of: Any) -> tuple[Array, list[Array]]:
    """A cell of ACT or Repeat over inputs (B, T, I): outputs and the last state's arrays."""
    make = with_memory if hasattr(module.cell, "memory") else controller_of
    more = [loops_of(module.cell.memory)] if hasattr(module.cell, "memory") else []
    cell, start = make(module.cell, weights, "cell.cell.", *more)
    outputs, states = [], []
    for sequence in inputs:
        if hasattr(module, "halt"):
            halt = weights["cell.halt.weight"][0], float(weights["cell.halt.bias"][0])
            y, state, ponder, shares = act(sequence, cell, start, *halt, module.epsilon, module.passes)
            state = [*state, np.array([ponder]), np.array([float(len(sequence))]), shares[None]]
        else:
            y, state = repeat(sequence, cell, start, module.passes)
        outputs.append(oracles.project(y, weights))
        states.append(state)
    return np.array(outputs), [np.concatenate(parts) for parts in zip(*states)]
