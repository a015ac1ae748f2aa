"""What a kernel is given, checked where pointers are taken: nothing is read or written past a tensor's end.

The module has checked its inputs before; what comes here unchecked was changed by hand, or handed to an operator
directly.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import lacks_storage

_REMEDY = "call the module, which makes a kernel for what it is now"


def check_tensor(name: str, tensor: Any, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> None:
    """Raise TypeError or ValueError unless ``tensor`` has that shape, dtype and device, and numbers behind it."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} is a {type(tensor).__name__}, but the kernel takes a tensor")
    if tensor.is_nested or tensor.layout is not torch.strided:
        raise TypeError(f"{name} is nested or of layout {tensor.layout}, but the kernel takes dense tensors")
    if tensor.shape != tuple(shape):
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}, but the kernel was made for {tuple(shape)}: {_REMEDY}"
        )
    if tensor.dtype is not dtype:
        raise TypeError(f"{name} has dtype {tensor.dtype}, but the kernel was made for {dtype}: {_REMEDY}")
    if tensor.device != device:
        raise ValueError(f"{name} is on {tensor.device}, but the kernel was called for tensors on {device}")
    if lacks_storage(tensor) or (tensor.data_ptr() == 0 and tensor.numel()):
        raise ValueError(f"{name} has shape {tuple(shape)}, but its storage was freed or made smaller since")


def is_plain(tensor: Any, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> bool:
    """Whether ``tensor`` passes :func:`check_tensor` and is one block of numbers as they are.

    A look that is several times faster than the checks, which say what is wrong.
    """
    return (
        type(tensor) in _KINDS
        and tensor.layout is torch.strided
        and not tensor.is_nested
        and tensor.shape == shape
        and tensor.dtype is dtype
        and tensor.device == device
        and tensor.is_contiguous()
        and not tensor.is_neg()
        and tensor.untyped_storage().nbytes() >= tensor.storage_offset() * tensor.element_size() + tensor.nbytes
    )


_KINDS = (Tensor, nn.Parameter)


def check_count(name: str, tensors: Sequence[Any], count: int) -> None:
    """Raise ValueError unless there are ``count`` tensors."""
    if len(tensors) != count:
        raise ValueError(f"{name} has {len(tensors)} tensors, but the kernel was made for {count}: {_REMEDY}")


def check_sequence(inputs: Any) -> None:
    """Raise TypeError or ValueError unless ``inputs`` are a dense tensor with a step and a sequence."""
    if not isinstance(inputs, Tensor) or inputs.is_nested or inputs.layout is not torch.strided:
        raise TypeError(
            f"inputs are a {type(inputs).__name__}, but the kernel takes a dense tensor of three dimensions"
        )
    if inputs.dim() != 3 or 0 in inputs.shape[:2]:
        raise ValueError(
            f"inputs has shape {tuple(inputs.shape)}, but the kernel takes three dimensions, with at least one step "
            "and one sequence"
        )


def check_ranked(lengths: Sequence[int] | None, steps: int, batch: int) -> None:
    """Raise ValueError unless ``lengths`` are one a sequence within 0..steps, longest first."""
    if lengths is None:
        return
    if len(lengths) != batch or any(a < b for a, b in zip([steps, *lengths], [*lengths, 0])):
        raise ValueError(
            f"lengths is {list(lengths)}, but must lie within 0..{steps}, the steps of the inputs: {batch} of them, "
            "longest first"
        )
