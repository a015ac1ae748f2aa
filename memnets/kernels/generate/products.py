"""Products over all steps and samples at once: the gradients of inputs and parameters, from those of each step."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def columns_of_weight(matrix: Tensor, turned: bool, start: int, length: int) -> Tensor:
    """The columns of a parameter that a term of a product takes, (out, length)."""
    matrix = matrix.reshape([n for n in matrix.shape if n != 1])
    return matrix[:, start : start + length] if turned else matrix[start : start + length].t()


def columns_of_rows(rows: Tensor, offset: int, step: int, length: int) -> Tensor:
    """Columns of rows, (rows, length)."""
    if step > 0:
        return rows[:, offset : offset + (length - 1) * step + 1 : step]
    return rows[:, [offset + k * step for k in range(length)]]


def _rows(records: Tensor, steps: int, base: str, first: int, size: int) -> Tensor:
    """A slot of all records as a matrix, (T B, size)."""
    _, batch, record = records.shape
    start = batch * record if base == "next" else 0
    return records.as_strided((steps * batch, size), (record, 1), records.storage_offset() + start + first)


def input_gradient(
    layout: dict[str, Any], inputs: Tensor, parameters: Sequence[Tensor], d_records: Tensor, d_x: Tensor | None
) -> Tensor:
    """That of the inputs ``(T, B, I)``; ``d_x``, where the steps left some there already, is added to in place."""
    total = torch.zeros_like(inputs) if d_x is None else d_x
    fresh = d_x is None
    flat = total.view(-1, inputs.shape[-1])
    for product in layout["products"]:
        for base, param, turned, first, length, offset, step in product["terms"]:
            if base == "x":
                d = _rows(d_records, len(inputs), "rec", product["d"], product["size"])
                weight = columns_of_weight(parameters[param], turned, first, length)
                if fresh and length == flat.shape[1] and step == 1:
                    torch.mm(d, weight, out=flat)
                else:
                    places = [offset + k * step for k in range(length)]
                    flat[:, places] += torch.mm(d, weight)
                fresh = False
    return total


def parameter_gradients(
    layout: dict[str, Any],
    rows: Tensor,
    steps: int,
    parameters: Sequence[Tensor],
    records: Tensor,
    d_records: Tensor,
    sums: Tensor,
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Each as a product over all steps and samples of a product's gradient with what the product was given."""
    found: list[Tensor | None] = [None] * len(parameters)

    def add(index: int, value: Tensor) -> None:
        value = value.reshape(parameters[index].shape)
        known = found[index]
        found[index] = value if known is None else known + value

    total = sums.sum(0)
    for index, (first, size) in layout["accumulated"].items():
        if needs[int(index)]:
            add(int(index), total[first : first + size])
    for product in layout["products"]:
        d = _rows(d_records, steps, "rec", product["d"], product["size"])
        for b in product["biases"]:
            if needs[b]:
                add(b, total[product["bias_sum"] : product["bias_sum"] + product["size"]].clone())
        for param, (turned, parts) in _weight_parts(product, rows, steps, records, d, needs).items():
            add(param, _joined(parts, parameters[param], turned))
    return found


def _weight_parts(
    product: dict[str, Any], rows: Tensor, steps: int, records: Tensor, d: Tensor, needs: Sequence[bool]
) -> dict[int, tuple[bool, list[tuple[int, Tensor]]]]:
    """For each parameter whether it lies (out, in), and its gradient in parts (in, out), each with its first column.

    Taken with the product's outputs as columns, then turned: with few rows that is several times faster.
    """
    inner = [t for t in product["terms"] if t[0] != "x"]
    whole = None
    if any(needs[t[1]] for t in inner):
        size = sum(t[4] for t in inner)
        whole = torch.mm(_rows(records, steps, inner[0][0], inner[0][5], size).t(), d)  # (in, out)
    parts: dict[int, tuple[bool, list[tuple[int, Tensor]]]] = {}
    at = 0
    for base, param, turned, first, length, offset, step in product["terms"]:
        if not needs[param]:
            part = None
        elif base == "x":
            part = torch.mm(columns_of_rows(rows, offset, step, length).t(), d)
        else:
            assert whole is not None
            part = whole[at : at + length]
        at += length if base != "x" else 0
        if part is not None:
            parts.setdefault(param, (turned, []))[1].append((first, part))
    return parts


def _joined(parts: list[tuple[int, Tensor]], weight: Tensor, turned: bool) -> Tensor:
    """A parameter's gradient from those of its columns."""
    parts = sorted(parts, key=lambda p: p[0])
    sizes = [n for n in weight.shape if n != 1]
    ends = [first + len(part) for first, part in parts]
    if [0, *ends[:-1]] == [first for first, _ in parts] and ends[-1] == sizes[1 if turned else 0]:
        result = parts[0][1] if len(parts) == 1 else torch.cat([part for _, part in parts])
    else:  # some columns twice, or not at all
        result = weight.new_zeros(sizes[1 if turned else 0], sizes[0 if turned else 1])
        for first, part in parts:
            result[first : first + len(part)] += part
    return result.t().contiguous() if turned else result.contiguous()
