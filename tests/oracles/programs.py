"""A neural programmer's operations: NumPy float64 loops written from the paper's table 1 and section 2.3."""

import numpy as np

Array = np.ndarray


def compare_cells(table: Array, numbers: Array, choice: Array) -> tuple[Array, Array]:
    """g[i][j] and l[i][j], for each number by itself, weighted by how much that number is the pivot."""
    greater, lesser = np.zeros(table.shape), np.zeros(table.shape)
    for b, i, j in np.ndindex(table.shape):
        for k, number in enumerate(numbers[b]):
            if table[b, i, j] > number:
                greater[b, i, j] += choice[b, 0, k]
            if table[b, i, j] < number:
                lesser[b, i, j] += choice[b, 1, k]
    return greater, lesser


def run_program(
    operations: Array, columns: Array, table: Array, greater: Array, lesser: Array, count: Array
) -> tuple[Array, Array]:
    """Scalars ``(B, T)`` and rows ``(B, T, M)`` of all steps, ``count (B,)`` rows of each table being there.

    Operations in the order sum, count, difference, greater, lesser, and, or, reset.
    """
    batch, steps, _ = operations.shape
    scalars, selected = np.zeros((batch, steps)), np.zeros((batch, steps, table.shape[1]))
    for b in range(batch):
        rows = range(int(count[b]))
        row_select = {-1: dict.fromkeys(rows, 1.0), 0: dict.fromkeys(rows, 1.0)}
        scalar_output = dict.fromkeys(range(-2, 1), 0.0)
        for t in range(1, steps + 1):
            a_sum, a_count, a_diff, a_greater, a_lesser, a_and, a_or, a_reset = operations[b, t - 1]
            output = a_count * sum(row_select[t - 1][i] for i in rows)
            output += a_diff * (scalar_output[t - 3] - scalar_output[t - 1])
            for j, a_column in enumerate(columns[b, t - 1]):
                output += a_sum * a_column * sum(row_select[t - 1][i] * table[b, i, j] for i in rows)
            scalar_output[t] = output
            row_select[t] = {}
            for i in rows:
                one, other = row_select[t - 1][i], row_select[t - 2][i]
                value = a_and * min(one, other) + a_or * max(one, other) + a_reset
                for j, a_column in enumerate(columns[b, t - 1]):
                    value += a_column * (a_greater * greater[b, i, j] + a_lesser * lesser[b, i, j])
                row_select[t][i] = selected[b, t - 1, i] = value
            scalars[b, t - 1] = output
    return scalars, selected
