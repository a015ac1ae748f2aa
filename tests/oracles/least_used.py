"""Least recently used access: NumPy float64 loops written from Santoro et al. 2016, section 3.3."""

import numpy as np

Array = np.ndarray


def least_used_weights(usage: Array, count: int) -> Array:
    """The ``count`` slots of the smallest usage, of equal ones the first, one a row."""
    batch, slots = usage.shape
    result = np.zeros((batch, min(count, slots), slots))
    for b in range(batch):
        left = list(range(slots))
        for row in range(min(count, slots)):
            found = left[0]
            for i in left:
                if usage[b, i] < usage[b, found]:
                    found = i
            result[b, row, found] = 1
            left.remove(found)
    return result


def decayed_usage(prev_usage: Array, read_weights: Array, write_weights: Array, decay: float) -> Array:
    """Equation 5."""
    result = np.zeros(prev_usage.shape)
    for b, i in np.ndindex(prev_usage.shape):
        result[b, i] = decay * prev_usage[b, i]
        for r in range(read_weights.shape[1]):
            result[b, i] += read_weights[b, r, i] + write_weights[b, r, i]
    return result


def write_weights(gate: Array, prev_read_weights: Array, least_used: Array, shared: bool) -> Array:
    """Equation 7; ``shared``: a head writes to each of the least used slots."""
    result = np.zeros(prev_read_weights.shape)
    for b, r, i in np.ndindex(result.shape):
        place = least_used[b, :, i].sum() if shared else least_used[b, r, i]
        result[b, r, i] = gate[b, r] * prev_read_weights[b, r, i] + (1 - gate[b, r]) * place
    return result
