"""What a kernel should never be given: by name, how it is made of what fits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


def resized(tensor: Tensor) -> Tensor:
    """Its storage made smaller, while shape and strides stay."""
    whole = tensor.contiguous()
    whole.untyped_storage().resize_(max(0, whole.untyped_storage().nbytes() // 2))
    return whole


def overlapping(tensor: Tensor) -> Tensor:
    """Rows that share their numbers, in a storage of a single row and a bit."""
    row = torch.rand(sum(tensor.shape) + 8).to(tensor.dtype)
    if tensor.numel() and not tensor.is_floating_point() and not tensor.is_complex():  # lengths, and places of slots
        row = tensor.flatten()[-1].expand(row.shape).clone()
    return row.as_strided(tensor.shape, [1] * tensor.dim())


def nested(tensor: Tensor) -> Tensor:
    """Of two parts."""
    return torch.nested.as_nested_tensor([tensor, tensor[:1]], layout=torch.jagged)


FORMS: dict[str, Callable[[Tensor], Any]] = {
    "of whole numbers": lambda t: t.long(),
    "of bits": lambda t: t > 0,
    "of complex numbers": lambda t: torch.complex(t.float(), t.float()),
    "in half precision": lambda t: t.half(),
    "in the other precision": lambda t: t.float() if t.dtype == torch.float64 else t.double(),
    "quantised": lambda t: torch.quantize_per_tensor(t.float(), 0.1, 0, torch.qint8),
    "sparse": lambda t: t.to_sparse(),
    "nested": nested,
    "without data": lambda t: t.to("meta"),
    "with its storage halved": resized,
    "with its storage freed": lambda t: [t, t.untyped_storage().resize_(0)][0],
    "overlapping itself": overlapping,
    "expanded": lambda t: t[:1].expand(t.shape),
    "negated lazily": lambda t: torch._neg_view(t),
    "turned": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    "of a batch less": lambda t: t[1:],
    "of a batch more": lambda t: torch.cat([t, t[:1]]),
    "wider": lambda t: torch.cat([t, t], -1),
    "narrower": lambda t: t[..., 1:],
    "with a dimension more": lambda t: t.unsqueeze(1),
    "flat": lambda t: t.reshape(-1),
    "empty": lambda t: t[:0],
    "a parameter": lambda t: torch.nn.Parameter(t) if t.is_floating_point() else t,
}
"""Of any tensor."""

VALUES: dict[str, Callable[[Tensor], Any]] = {
    "negative": lambda t: -torch.rand(t.shape).to(t.dtype) if t.is_floating_point() else -1 - t.abs(),
    "of NaN": lambda t: torch.full_like(t, float("nan")) if t.is_floating_point() else t,
    "of infinities": lambda t: torch.full_like(t, float("inf")) if t.is_floating_point() else t,
    "huge": lambda t: torch.full_like(t, 1e30) if t.is_floating_point() else t,
    "tiny": lambda t: torch.full_like(t, 1e-40) if t.is_floating_point() else t,
}

STATES = {
    **FORMS,
    **VALUES,
    "of NumPy": lambda t: t.numpy() if t.dtype in (torch.float32, torch.float64) else t,
    "a list": lambda t: t.tolist(),
    "None": lambda t: None,
}
INPUTS = {**FORMS, **VALUES}

LENGTHS: dict[str, Callable[[int, int], Any]] = {
    "a set": lambda b, t: set(range(b)),
    "a mapping": lambda b, t: dict.fromkeys(range(b), 1),
    "a string": lambda b, t: "1" * b,
    "bytes": lambda b, t: b"\1" * b,
    "an iterator": lambda b, t: iter([1] * b),
    "fractions": lambda b, t: [0.5] * b,
    "bits": lambda b, t: [True] * b,
    "negative": lambda b, t: [-1] * b,
    "too long": lambda b, t: [t + 1] * b,
    "beyond 64 bits": lambda b, t: [2**70] * b,
    "None": lambda b, t: [None] * b,
    "too few": lambda b, t: [1] * (b - 1),
    "too many": lambda b, t: [1] * (b + 1),
    "nested": lambda b, t: [[1]] * b,
    "NumPy's": lambda b, t: np.ones(b, dtype=np.int8),
    "a tensor of bytes": lambda b, t: torch.ones(b, dtype=torch.uint8),
    "a tensor of complex numbers": lambda b, t: torch.ones(b, dtype=torch.complex64),
    "a sparse tensor": lambda b, t: torch.ones(b, dtype=torch.long).to_sparse(),
    "a tensor without data": lambda b, t: torch.ones(b, dtype=torch.long, device="meta"),
    "a tensor of two dimensions": lambda b, t: torch.ones(b, 1, dtype=torch.long),
    "a tensor with its storage freed": lambda b, t: FORMS["with its storage freed"](torch.ones(b, dtype=torch.long)),
}
"""Of a batch and a number of steps."""


def exchange(make: Callable[[Tensor], Tensor]) -> Callable[[Tensor], None]:
    """Puts what ``make`` gives in the place of a parameter's numbers."""

    def change(parameter: Tensor) -> None:
        parameter.data = make(parameter.data)

    return change


PARAMETERS: dict[str, Callable[[Tensor], Any]] = {
    "turned": exchange(lambda t: t.t().contiguous().t() if t.dim() > 1 else t),
    "expanded": exchange(lambda t: t[:1].clone().expand(t.shape)),
    "overlapping itself": exchange(overlapping),
    "strided": exchange(lambda t: torch.cat([t, t], -1)[..., ::2]),
    "negated lazily": exchange(lambda t: torch._neg_view(t.clone())),
    "wider": exchange(lambda t: torch.cat([t, t], -1)),
    "narrower": exchange(lambda t: t[..., 1:]),
    "empty": exchange(lambda t: t[:0]),
    "in the other precision": exchange(lambda t: t.float() if t.dtype == torch.float64 else t.double()),
    "in half precision": exchange(lambda t: t.half()),
    "of NaN": exchange(lambda t: torch.full_like(t, float("nan"))),
    "huge": exchange(lambda t: torch.full_like(t, 1e30)),
    "without a gradient": lambda p: p.requires_grad_(False),
}

STORAGES: dict[str, Callable[[Tensor], Any]] = {
    "freed": lambda t: t.untyped_storage().resize_(0),
    "halved": lambda t: t.untyped_storage().resize_(t.untyped_storage().nbytes() // 2),
}
