"""Slots in order."""

import torch
from torch import Tensor


def sort_stably(values: Tensor, *, descending: bool = False) -> tuple[Tensor, Tensor]:
    """The last dimension sorted, and the indices that sort it; of equals the first comes first.

    ONNX has no sort that keeps the order of equals, but its TopK does.
    """
    if torch.onnx.is_in_onnx_export():
        ordered = values.topk(values.shape[-1], dim=-1, largest=descending)
    else:
        ordered = values.sort(dim=-1, descending=descending, stable=True)
    return ordered[0], ordered[1]
