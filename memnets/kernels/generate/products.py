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
    if length < matrix.shape[int(turned)]:
        matrix = matrix.narrow(int(turned), start, length)
    return matrix if turned else matrix.t()


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


def parameter_gradients(
    layout: Layout,
    inputs: Tensor,
    records: Tensor,
    d_records: Tensor,
    sums: Tensor,
    parameters: Sequence[Tensor],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Those of the parameters, where they are wanted; a matrix is written once where its products make all of it.

    Args:
        layout: of the program.
        inputs: ``(T, B, I)``.
        records: ``(T + 1, B, record)``.
        d_records: ``(T, B, d_record)``.
        sums: what the steps added up, over all samples.
        parameters: all of them.
        needs: for each, whether it is wanted.
    """
    rows = len(inputs) * inputs.shape[1]
    given = {"x": inputs.view(rows, -1), "rec": records[:-1].view(rows, -1), "next": records[1:].view(rows, -1)}
    written, grads = _written_by_products(layout, parameters), _of_sums(layout, sums, parameters, needs)
    d_rows = d_records.view(rows, -1).t()
    for product in layout["products"]:
        d = d_rows[product["d"] : product["d"] + product["size"]]  # (size, T B)
        for base, first, step, (param, *columns) in product["given"]:
            if not needs[param]:
                continue
            if (grad := grads[param]) is None:
                make = torch.empty_like if written[param] else torch.zeros_like
                grad = grads[param] = make(parameters[param])
            numbers = _columns_of_rows(given[base], first, step, columns[-1])  # (T B, length)
            _columns_of_weight(grad, *columns).addmm_(d, numbers, beta=0 if written[param] else 1)
    return [torch.zeros_like(p) if need and g is None else g for p, g, need in zip(parameters, grads, needs)]


def _written_by_products(layout: Layout, parameters: Sequence[Tensor]) -> list[bool]:
    """Whether terms of products make each number of a parameter's gradient, once, and nothing else adds to it."""
    if "written" not in layout:
        counts = [torch.zeros(p.shape, dtype=torch.int8) for p in parameters]
        for product in layout["products"]:
            for *_, (param, *columns) in product["given"]:
                part = _columns_of_weight(counts[param], *columns)
                part += 1
        for param, *_ in layout["sums"]:
            counts[param] += 2
        layout["written"] = [bool((c == 1).all()) for c in counts]
    return layout["written"]


def _of_sums(layout: Layout, sums: Tensor, parameters: Sequence[Tensor], needs: Sequence[bool]) -> list[Tensor | None]:
    """What the steps added up for each parameter; where two have the same numbers, each has its own."""
    grads: list[Tensor | None] = [None] * len(parameters)
    taken: list[tuple[int, int]] = []
    for param, first, size in layout["sums"]:
        if not needs[param]:
            continue
        part, known = sums[first : first + size].view(parameters[param].shape), grads[param]
        if known is not None:
            known += part
        else:
            grads[param] = part.clone() if any(first < end and begin < first + size for begin, end in taken) else part
            taken.append((first, first + size))
    return grads
