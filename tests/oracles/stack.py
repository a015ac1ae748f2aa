"""Stacks and tapes: NumPy float64 loops written from the papers, not from the code."""

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
