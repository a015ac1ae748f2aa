"""Products with the inputs of all steps and samples at once: their share of the steps, and their gradient."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import library

Layout = dict[str, Any]


def _columns_of_weight(matrix: Tensor, turned: bool, start: int, length: int) -> Tensor:
    """The columns of a parameter that a term of a product takes, a view (out, length)."""
    matrix = matrix if matrix.dim() == 2 else matrix.view([n for n in matrix.shape if n != 1])
    return matrix[:, start : start + length] if turned else matrix[start : start + length].t()


def _columns_of_rows(rows: Tensor, first: int, step: int, length: int) -> Tensor:
    """Columns of rows, (rows, length)."""
    if step > 0:
        return rows[:, first : first + (length - 1) * step + 1 : step]
    return rows[:, _places(first, step, length, rows)]


def _places(first: int, step: int, length: int, like: Tensor) -> Tensor:
    return torch.tensor([first + k * step for k in range(length)], device=like.device)


def shares_of_inputs(layout: Layout, rows: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """What the sums of products start from: the share of the inputs ``rows``, where no product takes them along."""
    starts = []
    for product in layout["products"]:
        if product["start"] < 0:
            continue
        starts.append(library.empty(rows, len(rows), product["size"]))
        for k, (first, step, (param, *columns)) in enumerate(product["of_inputs"]):
            given = _columns_of_rows(rows, first, step, columns[-1])
            starts[-1].addmm_(given, _columns_of_weight(parameters[param], *columns).t(), beta=min(k, 1))
    return starts


def input_gradient(
    layout: Layout, inputs: Tensor, parameters: Sequence[Tensor], d_records: Tensor, d_x: Tensor | None
) -> Tensor:
    """That of the inputs ``(T, B, I)``; ``d_x``, where the steps left some there already, is added to in place."""
    total = torch.zeros_like(inputs) if d_x is None else d_x
    flat = total.view(-1, inputs.shape[-1])
    for product in layout["products"]:
        rows, first = (-1, d_records.shape[-1]), product["d"]
        d = d_records.view(rows)[:, first : first + product["size"]]  # (T B, size)
        for first, step, (param, *columns) in product["of_inputs"]:
            weight = _columns_of_weight(parameters[param], *columns)
            if step > 0:
                _columns_of_rows(flat, first, step, columns[-1]).addmm_(d, weight)
            else:  # from the last to the first, or one several times
                flat.index_add_(1, _places(first, step, columns[-1], flat), torch.mm(d, weight))
    return total


def add_parameter_gradients(
    layout: Layout, inputs: Tensor, records: Tensor, d_records: Tensor, grads: Sequence[Tensor | None]
) -> None:
    """Adds to the gradients of the parameters of products, where they are wanted, what all steps and samples give.

    Args:
        layout: of the program.
        inputs: ``(T, B, I)``.
        records: ``(T + 1, B, record)``.
        d_records: ``(T, B, d_record)``.
        grads: one for each parameter.
    """
    rows = len(inputs) * inputs.shape[1]
    given = {"x": inputs.view(rows, -1), "rec": records[:-1].view(rows, -1), "next": records[1:].view(rows, -1)}
    for product in layout["products"]:
        d = d_records.view(rows, -1)[:, product["d"] : product["d"] + product["size"]]  # (T B, size)
        for base, first, step, (param, *columns) in product["given"]:
            grad = grads[param]
            if grad is not None:
                numbers = _columns_of_rows(given[base], first, step, columns[-1])  # (T B, length)
                _columns_of_weight(grad, *columns).addmm_(d.t(), numbers)
