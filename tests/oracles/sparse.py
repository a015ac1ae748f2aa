"""Sparse access: NumPy float64 loops written from Rae et al. 2016, section 3."""

import numpy as np

import oracles

Array = np.ndarray


def most_similar(memory: Array, key: Array, count: int) -> Array:
    """The best slots one after another, of equals the first."""
    similarity = oracles.cosine_similarity(memory, key)
    result = np.zeros((*key.shape[:2], count), dtype=int)
    for b, h in np.ndindex(key.shape[:2]):
        left = list(range(memory.shape[1]))
        for k in range(count):
            best = max(left, key=lambda i: (similarity[b, h, i], -i))
            result[b, h, k] = best
            left.remove(best)
    return result


def take_rows(memory: Array, index: Array) -> Array:
    result = np.zeros((*index.shape, memory.shape[-1]))
    for place in np.ndindex(index.shape):
        result[place] = memory[place[0], index[place]]
    return result


def row_weights(rows: Array, key: Array, strength: Array) -> Array:
    """Section 3.1: as content weights of a memory that has those rows alone."""
    result = np.zeros(rows.shape[:3])
    for b, h in np.ndindex(rows.shape[:2]):
        one = slice(b, b + 1), slice(h, h + 1)
        result[b, h] = oracles.content_weights(rows[b : b + 1, h], key[one], strength[one])[0, 0]
    return result


def read_rows(rows: Array, weights: Array) -> Array:
    result = np.zeros((*rows.shape[:2], rows.shape[-1]))
    for b, h, k in np.ndindex(weights.shape):
        result[b, h] += weights[b, h, k] * rows[b, h, k]
    return result


def sparse_write_weights(
    write_gate: Array, interpolation_gate: Array, read_weights: Array, least_recent: Array, read_index: Array
) -> tuple[Array, Array]:
    """Equation 5."""
    batch, heads, count = read_weights.shape
    index, weights = np.zeros((batch, heads, count + 1), dtype=int), np.zeros((batch, heads, count + 1))
    for b, h in np.ndindex(batch, heads):
        alpha, gamma = write_gate[b, h], interpolation_gate[b, h]
        for k in range(count):
            index[b, h, k], weights[b, h, k] = read_index[b, h, k], alpha * gamma * read_weights[b, h, k]
        index[b, h, count], weights[b, h, count] = least_recent[b, h], alpha * (1 - gamma)
    return index, weights


def sparse_write(memory: Array, cleared: Array, index: Array, weights: Array, values: Array) -> Array:
    """Equation 3."""
    result = memory.copy()
    for b, h in np.ndindex(cleared.shape):
        result[b, cleared[b, h]] = 0
    for b, h, k in np.ndindex(index.shape):
        result[b, index[b, h, k]] += weights[b, h, k] * values[b, h]
    return result


def least_recent(last_access: Array, count: int) -> Array:
    slots = range(last_access.shape[1])
    ordered = [sorted(slots, key=lambda i: (row[i], i))[:count] for row in last_access]
    return np.array(ordered)


def update_access(last_access: Array, time: Array, index: Array, weights: Array) -> Array:
    """Section 3.2: the time of the last access by more than delta = 0.005."""
    result = last_access.copy()
    for b in range(len(last_access)):
        for i in range(last_access.shape[1]):
            if weights[b][index[b] == i].sum() > 0.005:
                result[b, i] = time[b]
    return result
