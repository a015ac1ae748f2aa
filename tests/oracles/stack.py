"""Stacks and tapes: NumPy float64 loops written from the papers, not from the code."""

from itertools import product

import numpy as np

Array = np.ndarray


def stack_step(stack: Array, actions: Array, values: Array) -> Array:
    """Joulin & Mikolov 2015, section 3: the top from the value and its neighbour, the rest from both neighbours."""
    result = np.zeros(stack.shape)
    batch, stacks, depth, _ = stack.shape
    for b, s, i in np.ndindex(batch, stacks, depth):
        push, pop, stay = actions[b, s]
        above = values[b, s] if i == 0 else stack[b, s, i - 1]
        below = stack[b, s, i + 1] if i + 1 < depth else 0
        result[b, s, i] = push * above + pop * below + stay * stack[b, s, i]
    return result


def stack_top(stack: Array) -> Array:
    result = np.zeros((*stack.shape[:2], stack.shape[3]))
    for b, s in np.ndindex(stack.shape[:2]):
        result[b, s] = stack[b, s, 0]
    return result


def tape_step(tape: Array, moves: Array, values: Array, jump: Array) -> Array:
    """Deletang et al. 2022, appendix A: the cell under the head is replaced, and each move turns the ring by itself."""
    result = np.zeros(tape.shape)
    batch, tapes, slots, _ = tape.shape
    for b, k in np.ndindex(batch, tapes):
        written = tape[b, k].copy()
        written[0] = values[b, k]
        for share, distance in zip(moves[b, k], (0, -1, 1, -int(jump[b]), int(jump[b]))):
            for i in range(slots):
                result[b, k, i] += share * written[(i + distance) % slots]
    return result


def tape_read(tape: Array) -> Array:
    return stack_top(tape)


class NeuralStack:
    """Grefenstette et al. 2015, equations 1 to 3, for one stack: lists that grow, the newest value last."""

    def __init__(self) -> None:
        self.values: list[Array] = []
        self.strengths: list[float] = []

    def step(self, value: Array, push: float, pop: float) -> Array:
        self.strengths = [*self.left(pop), push]
        self.values.append(value)
        return self.read()

    def left(self, pop: float) -> list[float]:
        """What a pop leaves, from the newest value down."""
        s, n = self.strengths, len(self.strengths)
        return [max(0.0, s[i] - max(0.0, pop - sum(s[j] for j in range(i + 1, n)))) for i in range(n)]

    def read(self) -> Array:
        s, n = self.strengths, len(self.values)
        result = np.zeros(self.values[0].shape)
        for i in range(n):
            result += min(s[i], max(0.0, 1 - sum(s[j] for j in range(i + 1, n)))) * self.values[i]
        return result


class NeuralQueue(NeuralStack):
    """Section 3.2: the same, but from the oldest value on."""

    def left(self, pop: float) -> list[float]:
        s = self.strengths
        return [max(0.0, s[i] - max(0.0, pop - sum(s[j] for j in range(i)))) for i in range(len(s))]

    def read(self) -> Array:
        s, result = self.strengths, np.zeros(self.values[0].shape)
        for i in range(len(s)):
            result += min(s[i], max(0.0, 1 - sum(s[j] for j in range(i)))) * self.values[i]
        return result


def nondeterministic_stack_step(
    tops: Array, standing: Array, beneath: Array, push: Array, replace: Array, pop: Array
) -> tuple[Array, Array, Array]:
    """DuSell & Chiang 2020, equations 4 to 6, for one sequence, with each inner weight gamma as a share of all runs."""
    slots, states, symbols = len(standing), *tops.shape
    configurations = list(product(range(states), range(symbols)))
    after = np.zeros((slots + 1, *standing.shape[1:]))
    for (r, y), (s, z) in product(configurations, configurations):
        after[slots, s, z, r, y] = tops[s, z] * push[s, z, r, y]
        for i, (q, x) in product(range(slots), configurations):
            after[i, q, x, r, y] += standing[i, q, x, s, z] * replace[s, z, r, y]
            for k, u in product(range(i + 1, slots), range(states)):
                after[i, q, x, r, y] += beneath[k, i, q, x, u, y] * standing[k, u, y, s, z] * pop[s, z, r]
    after /= after.sum()
    below = np.zeros((slots + 1, slots + 1, *standing.shape[1:]))
    below[:slots, :slots] = beneath
    for i, (q, x), (r, y) in product(range(slots), configurations, configurations):
        below[slots, i, q, x, r, y] = standing[i, q, x, r, y] / tops[r, y] if tops[r, y] else 0
    return after.sum((0, 1, 2)), after, below


def tops_of_all_runs(actions: list[tuple[Array, Array, Array]]) -> list[Array]:
    """The shares of runs by state and top symbol after each step, every stack that there may be followed by itself.

    Actions are weights of pushing and replacing ``(Q, S, Q, S)`` and popping ``(Q, S, Q)``.
    """
    states, symbols = actions[0][2].shape[:2]
    runs, found = {(0, (0,)): 1.0}, []  # by state and stack, the top last
    for push, replace, pop in actions:
        after: dict[tuple[int, tuple[int, ...]], float] = {}

        def add(state: int, stack: tuple[int, ...], weight: float) -> None:
            after[state, stack] = after.get((state, stack), 0.0) + weight  # noqa: B023

        for (q, stack), weight in runs.items():
            x = stack[-1]
            for r, y in product(range(states), range(symbols)):
                add(r, (*stack, y), weight * push[q, x, r, y])
                add(r, (*stack[:-1], y), weight * replace[q, x, r, y])
            for r in range(states if len(stack) > 1 else 0):
                add(r, stack[:-1], weight * pop[q, x, r])
        runs = after
        tops = np.zeros((states, symbols))
        for (q, stack), weight in runs.items():
            tops[q, stack[-1]] += weight
        found.append(tops / tops.sum())
    return found
