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


Row = list[tuple[int, float]]


def row_of(index: Array, weights: Array) -> Row:
    return [(int(slot), float(weight)) for slot, weight in zip(index, weights)]


def rows_of(index: Array, weights: Array) -> "Row | list[Row]":
    """A row, or a list of them."""
    return row_of(index, weights) if index.ndim == 1 else [row_of(i, w) for i, w in zip(index, weights)]


def keep_largest(row: Row, count: int) -> Row:
    """Each slot with all that it has in the row, where it first stands, and nothing elsewhere; of equals the first."""
    merged: Row = []
    for place, (slot, _) in enumerate(row):
        before = [other for other, _ in row[:place]]
        merged.append((slot, 0.0 if slot in before else sum(w for other, w in row if other == slot)))
    return sorted(merged, key=lambda pair: -abs(pair[1]))[:count]


class Links:
    """The links of one head of one sequence: appendix D of the paper, row by row."""

    def __init__(self, last: Row, back: list[Row], on: list[Row]):
        self.last, self.back, self.on = last, back, on

    def write(self, row: Row) -> None:
        written: dict[int, float] = {}
        for slot, weight in row:
            written[slot] = written.get(slot, 0.0) + weight
        last: dict[int, float] = {}
        for slot, weight in self.last:
            last[slot] = last.get(slot, 0.0) + weight
        for slot, weight in written.items():  # what led to it fades, as it holds something else now
            for origin in {origin for origin, _ in self.back[slot]}:
                self.on[origin] = [(to, w * (1 - weight) if to == slot else w) for to, w in self.on[origin]]
        for origin, weight in last.items():
            new = [(slot, 0.0 if slot == origin else weight * w) for slot, w in row]
            self.on[origin] = keep_largest(self.on[origin] + new, len(self.on[origin]))
        for slot, weight in written.items():
            old = [(origin, (1 - weight) * w) for origin, w in self.back[slot]]
            new = [(origin, 0.0 if origin == slot else weight * w) for origin, w in self.last]
            self.back[slot] = keep_largest(old + new, len(old))
        left = 1 - sum(weight for _, weight in row)
        self.last = keep_largest(row + [(slot, left * w) for slot, w in self.last], len(self.last))


def follow(links: list[Row], row: Row, count: int) -> Row:
    return keep_largest([(to, weight * w) for slot, weight in row for to, w in links[slot]], count)
