"""Whole memories and memory networks: NumPy float64 loops over the steps, written from the papers' equations.

A memory here is three functions: ``start(batch)`` gives its state, a list of arrays; ``first(state)`` the first reads;
``step(interface, state)`` takes the raw emission (B, size) to reads (B, R) and the next state. A fourth,
``observe(x, state)``, is of those that see the input (B, I) itself, before the step.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import oracles
from oracles import delta, dnc, least_used, sparse, stack

Array = np.ndarray


class LoopMemory(NamedTuple):
    """A memory as loops."""

    start: Callable[[int], list[Array]]
    first: Callable[[list[Array]], Array]
    step: Callable[[Array, list[Array]], tuple[Array, list[Array]]]
    observe: Callable[[Array, list[Array]], list[Array]] = lambda x, state: state


class Reader:
    """Takes named shapes off the front of an emission (B, size), in order."""

    def __init__(self, emission: Array):
        self.emission, self.at = emission, 0

    def __call__(self, *shape: int) -> Array:
        size = int(np.prod(shape))
        values = self.emission[:, self.at : self.at + size]
        self.at += size
        return values.reshape(len(self.emission), *shape)

    def end(self) -> None:
        assert self.at == self.emission.shape[1], "the interface has numbers left over"


def oneplus(values: Array) -> Array:
    return 1 + np.vectorize(oracles.softplus)(values)


def last_softmax(values: Array) -> Array:
    return np.apply_along_axis(oracles.softmax, -1, values)


def ntm(slots: int, width: int, readers: int, writers: int, shift_range: int) -> LoopMemory:
    """Graves et al. 2014."""

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        reads, after = oracles.memory_step(emission, oracles.Memory(*state), shift_range)
        return reads.reshape(len(emission), -1), list(after)

    def first(state: list[Array]) -> Array:
        return oracles.read(state[0], state[1]).reshape(len(state[0]), -1)

    return LoopMemory(lambda batch: list(oracles.initial_memory(batch, slots, width, readers, writers)), first, step)


def dnc_memory(
    slots: int, width: int, readers: int, writers: int, masked: bool, deallocation: bool, sharpened: bool
) -> LoopMemory:
    """Graves et al. 2016, Methods; Csordas & Schmidhuber 2019. State: M, u, p, L, w^r, w^w."""

    def start(batch: int) -> list[Array]:
        shapes = [
            (slots, width),
            (slots,),
            (writers, slots),
            (writers, slots, slots),
            (readers, slots),
            (writers, slots),
        ]
        return [np.zeros((batch, *shape)) for shape in shapes]

    def first(state: list[Array]) -> Array:
        return oracles.read(state[0], state[4]).reshape(len(state[0]), -1)

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        memory, usage, precedence, links, read_weights, write_weights = state
        take = Reader(emission)
        read_key, write_key, vector = take(readers, width), take(writers, width), take(writers, width)
        read_strength, write_strength = oneplus(take(readers)), oneplus(take(writers))
        back_sharp, forth_sharp = (oneplus(take(readers)), oneplus(take(readers))) if sharpened else (None, None)
        erase, free = oracles.sigmoid(take(writers, width)), oracles.sigmoid(take(readers))
        allocation_gate, write_gate = oracles.sigmoid(take(writers)), oracles.sigmoid(take(writers))
        read_mask, write_mask = np.ones(read_key.shape), np.ones(write_key.shape)  # all of a key counts
        if masked:
            read_mask, write_mask = oracles.sigmoid(take(readers, width)), oracles.sigmoid(take(writers, width))
        modes = last_softmax(take(readers, 2 * writers + 1))
        take.end()

        retention = dnc.memory_retention(free, read_weights)
        usage = dnc.memory_usage(usage, write_weights, retention)
        content = dnc.masked_content_weights(memory, write_key, write_strength, write_mask)
        allocation = dnc.allocation_weights_by_head(usage, allocation_gate, write_gate)
        write_weights = dnc.write_weighting(content, allocation, allocation_gate, write_gate)
        memory = dnc.deallocate(memory, retention) if deallocation else memory
        memory = oracles.add(oracles.erase(memory, write_weights, erase), write_weights, vector)
        links = dnc.update_links(links, precedence, write_weights)
        precedence = dnc.update_precedence(precedence, write_weights)
        content = dnc.masked_content_weights(memory, read_key, read_strength, read_mask)
        backward, forward = dnc.backward_weights(links, read_weights), dnc.forward_weights(links, read_weights)
        if sharpened:
            backward = dnc.sharpen_links(backward, np.repeat(back_sharp[:, :, None], writers, 2))
            forward = dnc.sharpen_links(forward, np.repeat(forth_sharp[:, :, None], writers, 2))
        read_weights = dnc.read_weighting(content, backward, forward, modes)
        state = [memory, usage, precedence, links, read_weights, write_weights]
        return first(state), state

    return LoopMemory(start, first, step)


def mann_memory(
    slots: int, width: int, heads: int, decay: float, values: bool, strength: bool, shared: bool
) -> LoopMemory:
    """Santoro et al. 2016, section 3, in the order: clear and write, read, usage. State: M, w^u, w^r."""

    def start(batch: int) -> list[Array]:
        usage = np.tile(0.01 * np.arange(slots) / max(slots - 1, 1), (batch, 1))
        return [np.full((batch, slots, width), 1e-6), usage, np.zeros((batch, heads, slots))]

    def first(state: list[Array]) -> Array:
        return oracles.read(state[0], state[2]).reshape(len(state[0]), -1)

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        memory, usage, read_weights = state
        take = Reader(emission)
        key = np.tanh(take(heads, width))
        value = np.tanh(take(heads, width)) if values else key
        gate = oracles.sigmoid(take(heads))
        sharpness = oneplus(take(heads)) if strength else np.ones(gate.shape)
        take.end()
        places = least_used.least_used_weights(usage, heads)
        write_weights = least_used.write_weights(gate, read_weights, places, shared)
        memory = memory.copy()
        memory[places.sum(1) > 0] = 0
        memory = oracles.add(memory, write_weights, value)
        read_weights = oracles.content_weights(memory, key, sharpness)
        usage = least_used.decayed_usage(usage, read_weights, write_weights, decay)
        state = [memory, usage, read_weights]
        return first(state), state

    return LoopMemory(start, first, step)


def sam_memory(slots: int, width: int, heads: int, nonzero: int) -> LoopMemory:
    """Rae et al. 2016, section 3, in the order: clear and write, search, read, usage. State: as of SAMState."""

    def start(batch: int) -> list[Array]:
        order = np.tile(np.arange(-slots, 0), (batch, 1))
        index = np.tile(np.arange(nonzero), (batch, heads, 1))
        none = np.zeros(batch, dtype=int)
        return [np.zeros((batch, slots, width)), order, index, np.zeros(index.shape), none, none + nonzero]

    def first(state: list[Array]) -> Array:
        return sparse.read_rows(sparse.take_rows(state[0], state[2]), state[3]).reshape(len(state[0]), -1)

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        memory, last_access, read_index, read_weights, time, used = state
        take = Reader(emission)
        key, value, strength = take(heads, width), np.tanh(take(heads, width)), oneplus(take(heads))
        write_gate, interpolation_gate = oracles.sigmoid(take(heads)), oracles.sigmoid(take(heads))
        take.end()
        cleared = sparse.least_recent(last_access, heads)
        index, weights = sparse.sparse_write_weights(write_gate, interpolation_gate, read_weights, cleared, read_index)
        memory = sparse.sparse_write(memory, cleared, index, weights, value)
        read_index = sparse.most_similar(memory, key, nonzero)
        read_weights = sparse.row_weights(sparse.take_rows(memory, read_index), key, strength)
        batch = len(memory)
        touched = np.concatenate([index.reshape(batch, -1), read_index.reshape(batch, -1)], 1)
        shares = np.concatenate([weights.reshape(batch, -1), read_weights.reshape(batch, -1)], 1)
        last_access = sparse.update_access(last_access, time, touched, shares)
        used = np.maximum(used, touched.max(1) + 1)
        state = [memory, last_access, read_index, read_weights, time + 1, used]
        return first(state), state

    return LoopMemory(start, first, step)


def sdnc_memory(slots: int, width: int, heads: int, nonzero: int, count: int) -> LoopMemory:
    """Rae et al. 2016, appendix D, over the sparse access memory above. State: as of SDNCState."""
    sam = sam_memory(slots, width, heads, nonzero)

    def start(batch: int) -> list[Array]:
        memory, last_access, index, weights, time, used = sam.start(batch)
        rows = [np.zeros((batch, heads, slots, count), dtype=kind) for kind in (int, float, int, float)]
        index, weights = np.tile(index, (1, 1, 3)), np.tile(weights, (1, 1, 3))
        return [memory, last_access, index, weights, time, used, rows[0][:, :, 0], rows[1][:, :, 0], *rows]

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        memory, last_access, read_index, read_weights, time, used, *links = state
        take = Reader(emission)
        key, value, strength = take(heads, width), np.tanh(take(heads, width)), oneplus(take(heads))
        write_gate, interpolation_gate = oracles.sigmoid(take(heads)), oracles.sigmoid(take(heads))
        modes = last_softmax(take(heads, 3))
        take.end()
        cleared = sparse.least_recent(last_access, heads)
        index, weights = sparse.sparse_write_weights(write_gate, interpolation_gate, read_weights, cleared, read_index)
        memory = sparse.sparse_write(memory, cleared, index, weights, value)
        similar = sparse.most_similar(memory, key, nonzero)
        content = sparse.row_weights(sparse.take_rows(memory, similar), key, strength)
        links = [part.copy() for part in links]
        places, shares = np.zeros_like(read_index), np.zeros_like(read_weights)
        for b, h in np.ndindex(len(memory), heads):
            own = sparse.Links(*(sparse.rows_of(i[b, h], w[b, h]) for i, w in zip(links[::2], links[1::2])))
            own.write(sparse.row_of(index[b, h], weights[b, h]))
            before = sparse.row_of(read_index[b, h], read_weights[b, h])
            read = [
                *((i, modes[b, h, 0] * w) for i, w in sparse.follow(own.back, before, nonzero)),
                *((i, modes[b, h, 1] * w) for i, w in sparse.row_of(similar[b, h], content[b, h])),
                *((i, modes[b, h, 2] * w) for i, w in sparse.follow(own.on, before, nonzero)),
            ]
            places[b, h], shares[b, h] = zip(*read)
            for part, rows in zip(range(0, 6, 2), (own.last, own.back, own.on)):
                links[part][b, h], links[part + 1][b, h] = np.moveaxis(np.array(rows), -1, 0)
        batch = len(memory)
        touched = np.concatenate([index.reshape(batch, -1), places.reshape(batch, -1)], 1)
        amounts = np.concatenate([weights.reshape(batch, -1), shares.reshape(batch, -1)], 1)
        last_access = sparse.update_access(last_access, time, touched, amounts)
        state = [memory, last_access, places, shares, time + 1, np.maximum(used, touched.max(1) + 1), *links]
        return sam.first(state), state

    return LoopMemory(start, sam.first, step)


def stack_memory(depth: int, width: int, stacks: int, joint: bool) -> LoopMemory:
    """Joulin & Mikolov 2015, section 3."""

    def first(state: list[Array]) -> Array:
        return stack.stack_top(state[0]).reshape(len(state[0]), -1)

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        take = Reader(emission)
        values, actions = oracles.sigmoid(take(stacks, width)), take(stacks, 3)
        take.end()
        if joint:  # over all stacks together
            actions = last_softmax(actions.reshape(len(actions), -1)).reshape(actions.shape)
        else:
            actions = last_softmax(actions)
        state = [stack.stack_step(state[0], actions, values)]
        return first(state), state

    return LoopMemory(lambda batch: [np.zeros((batch, stacks, depth, width))], first, step)


def neural_stack_memory(depth: int, width: int, stacks: int, kind: str) -> LoopMemory:
    """Grefenstette et al. 2015, sections 3.1 and 3.2. State: values and strengths, the newest first."""
    lists = stack.NeuralStack if kind == "stack" else stack.NeuralQueue

    def unpacked(state: list[Array], b: int, k: int) -> stack.NeuralStack:
        one = lists()
        one.values, one.strengths = list(state[0][b, k, ::-1]), list(state[1][b, k, ::-1])
        return one

    def first(state: list[Array]) -> Array:
        batch = len(state[0])
        reads = [[unpacked(state, b, k).read() for k in range(stacks)] for b in range(batch)]
        return np.array(reads).reshape(batch, -1)

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        take = Reader(emission)
        value, push, pop = np.tanh(take(stacks, width)), oracles.sigmoid(take(stacks)), oracles.sigmoid(take(stacks))
        take.end()
        values, strengths = state[0].copy(), state[1].copy()
        for b, k in np.ndindex(push.shape):
            one = unpacked(state, b, k)
            one.step(value[b, k], push[b, k], pop[b, k])
            values[b, k], strengths[b, k] = one.values[:0:-1], one.strengths[:0:-1]  # the oldest is lost
        state = [values, strengths]
        return first(state), state

    return LoopMemory(
        lambda batch: [np.zeros((batch, stacks, depth, width)), np.zeros((batch, stacks, depth))], first, step
    )


def nondeterministic_stack_memory(states: int, symbols: int, normalized: bool, read_states: bool) -> LoopMemory:
    """DuSell & Chiang 2020, 2022. State: shares of runs by top, by what that stands on, and those of each slot."""
    pairs = states, symbols, states, symbols

    def start(batch: int) -> list[Array]:
        tops, standing = np.zeros((batch, states, symbols)), np.zeros((batch, 1, *pairs))
        tops[:, 0, 0], standing[:, 0, 0, 0, 0, 0] = 1, 1
        return [tops, standing, np.zeros((batch, 1, 1, *pairs))]

    def first(state: list[Array]) -> Array:
        return (state[0] if read_states else state[0].sum(1)).reshape(len(state[0]), -1)

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        take = Reader(emission)
        weights = np.exp(take(states, symbols, states, 2 * symbols + 1))
        take.end()
        if normalized:
            weights /= weights.sum((3, 4), keepdims=True)
        push, replace, pop = weights[..., :symbols], weights[..., symbols:-1], weights[..., -1]
        after = [stack.nondeterministic_stack_step(*given) for given in zip(*state, push, replace, pop)]
        state = [np.stack(part) for part in zip(*after)]
        return first(state), state

    return LoopMemory(start, first, step)


def tape_memory(slots: int, width: int, tapes: int, empty_channel: int | None) -> LoopMemory:
    """Deletang et al. 2022, appendix A; a jump goes as far as there were steps of input. State: tapes, that number."""

    def first(state: list[Array]) -> Array:
        return state[0][:, :, 0].reshape(len(state[0]), -1)

    def observe(x: Array, state: list[Array]) -> list[Array]:
        counted = [1.0 if empty_channel is None or row[empty_channel] <= 0.5 else 0.0 for row in x]
        return [state[0], state[1] + np.array(counted)]

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        take = Reader(emission)
        values, moves = take(tapes, width), last_softmax(take(tapes, 5))
        take.end()
        state = [stack.tape_step(state[0], moves, values, state[1]), state[1]]
        return first(state), state

    def start(batch: int) -> list[Array]:
        return [np.zeros((batch, tapes, slots, width)), np.zeros(batch)]

    return LoopMemory(start, first, step, observe)


def delta_memory(key_width: int, width: int, heads: int) -> LoopMemory:
    """Schlag et al. 2021, section 4.2, with keys and queries of length 1."""

    def step(emission: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        take = Reader(emission)
        query, key, value = take(heads, key_width), take(heads, key_width), take(heads, width)
        beta = oracles.sigmoid(take(heads))
        take.end()
        query, key = (x / np.sqrt((x**2).sum(-1, keepdims=True)) for x in (query, key))
        one = [x[:, None] for x in (query, key, value, beta)]  # a sequence of one step
        read, memory = delta.delta_rule(*one, initial_state=state[0])
        return read[:, 0].reshape(len(emission), -1), [memory]

    return LoopMemory(
        lambda batch: [np.zeros((batch, heads, key_width, width))],
        lambda state: np.zeros((len(state[0]), heads * width)),
        step,
    )


def network(
    kind: str, inputs: Array, weights: dict[str, Array], memory: LoopMemory
) -> tuple[Array, dict[str, Array], list[Array], Array]:
    """A controller of ``kind`` with a memory over inputs (B, T, I): outputs, controller state, memory, last reads.

    At step t the controller sees x_t and r_{t-1}.
    """
    layers = oracles.controller_layers(weights, "cell.controller.layers.")
    batch = len(inputs)
    controller, state = oracles.layered_state(kind, batch, layers), memory.start(batch)
    reads = memory.first(state)
    outputs = []
    for t in range(inputs.shape[1]):
        h = oracles.layered_step(kind, np.concatenate([inputs[:, t], reads], 1), controller, layers)
        emission = h @ weights["cell.interface.weight"].T + weights["cell.interface.bias"]
        reads, state = memory.step(emission, memory.observe(inputs[:, t], state))
        outputs.append(oracles.project(np.concatenate([h, reads], 1), weights))
    return np.stack(outputs, axis=1), controller, state, reads
