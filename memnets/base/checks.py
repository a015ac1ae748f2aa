"""Checks of what users hand in; each error names the value received and the remedy."""

import math
import numbers
import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor, nn

from .autocast import autocasts


def check_whole(name: str, value: Any, minimum: int = 1) -> None:
    """Raise TypeError unless ``value`` is a whole number, ValueError unless it is at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is {value!r}, but must be a whole number")
    if value < minimum:
        raise ValueError(f"{name} is {value}, but must be at least {minimum}")


def check_number(name: str, value: Any) -> None:
    """Raise TypeError unless ``value`` is a number, ValueError unless it is finite."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}, but must be a number")
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}, but must be a finite number")


def check_dense(name: str, tensor: Tensor) -> None:
    """Raise TypeError where ``tensor`` is nested or sparse, ValueError where its numbers are no longer there."""
    if tensor.is_nested:
        raise TypeError(
            f"{name} is a nested tensor, but must be dense: torch.nested.to_padded_tensor({name}, 0.0) pads it, and "
            "lengths says where its sequences end"
        )
    if tensor.layout is not torch.strided:
        raise TypeError(f"{name} has the layout {tensor.layout}, but must be dense: call {name}.to_dense()")
    if not torch.compiler.is_compiling() and lacks_storage(tensor):
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, but its storage was freed or made smaller since")


def lacks_storage(tensor: Tensor) -> bool:
    """Whether a dense tensor's shape and strides reach past the end of its storage."""
    if not tensor.numel() or tensor.device.type == "meta":
        return False
    try:
        held = tensor.untyped_storage().nbytes()
    except NotImplementedError:  # a wrapper, as of torch.func, which has none of its own
        return False
    if tensor.is_contiguous():  # at every call, so the sum below is spared
        last = tensor.storage_offset() + tensor.numel() - 1
    else:
        last = tensor.storage_offset() + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride()))
    return held < (last + 1) * tensor.element_size()


def check_inputs(inputs: Tensor, input_size: int, batch_first: bool = True) -> None:
    """Raise ValueError or TypeError unless ``inputs`` is a float (B, T, I) with I = input_size and B, T >= 1."""
    layout = "(batch, steps, features)" if batch_first else "(steps, batch, features)"
    if not isinstance(inputs, Tensor):
        raise TypeError(f"inputs must be a tensor {layout}, got {type(inputs).__name__}")
    check_dense("inputs", inputs)
    shape = tuple(inputs.shape)
    if inputs.dim() != 3:
        raise ValueError(f"inputs has shape {shape}, but must have three dimensions {layout}, or two without a batch")
    if inputs.shape[2] != input_size:
        raise ValueError(
            f"inputs has {inputs.shape[2]} features (shape {shape}), but the module was made with "
            f"input_size={input_size}"
        )
    for size, name in zip(shape, ("batch", "steps") if batch_first else ("steps", "batch")):
        if size == 0:
            raise ValueError(f"inputs has {name} of size 0 (shape {shape}), but needs at least 1")
    if not inputs.is_floating_point():
        raise TypeError(f"inputs has dtype {inputs.dtype}, but must be floating point: call inputs.float()")


def check_tokens(inputs: Tensor, vocabulary: int, batch_first: bool = True) -> None:
    """Raise ValueError or TypeError unless ``inputs`` holds whole numbers (B, T) within 0..vocabulary - 1."""
    layout = "(batch, steps)" if batch_first else "(steps, batch)"
    if not isinstance(inputs, Tensor):
        raise TypeError(f"inputs must be a tensor of tokens {layout}, got {type(inputs).__name__}")
    check_dense("inputs", inputs)
    shape = tuple(inputs.shape)
    if inputs.is_floating_point() or inputs.is_complex() or inputs.dtype == torch.bool:
        raise TypeError(
            f"inputs has dtype {inputs.dtype}, but a module with vocabulary={vocabulary} takes int64 tokens"
        )
    if inputs.dim() != 2 or 0 in shape:
        raise ValueError(f"inputs has shape {shape}, but must have two dimensions {layout}, each of at least 1")
    if torch.compiler.is_compiling() or inputs.device.type != "cpu":  # a look at the values would cost a pause
        return
    for bad in (int(inputs.min()), int(inputs.max())):
        if not 0 <= bad < vocabulary:
            raise ValueError(
                f"inputs holds the token {bad}, but must lie within 0..{vocabulary - 1}: vocabulary={vocabulary}"
            )


def first_parameter(module: nn.Module, floating: bool = False) -> nn.Parameter | None:
    """What ``next(module.parameters(), None)`` gives, many times faster: it is asked for at every call.

    Args:
        module: any.
        floating: pass over those of whole numbers, as quantised ones.
    """
    for parameter in module._parameters.values():
        if parameter is not None and (not floating or parameter.is_floating_point()):
            return parameter
    for child in module._modules.values():
        if child is not None and (found := first_parameter(child, floating)) is not None:
            return found
    return None


def place_of(module: nn.Module) -> dict[str, Any]:
    """``device`` and ``dtype`` of the module's first floating-point parameter; the defaults where it has none."""
    parameter = first_parameter(module, floating=True)
    if parameter is None:
        return {"device": torch.device("cpu"), "dtype": torch.get_default_dtype()}
    return {"device": parameter.device, "dtype": parameter.dtype}


def check_dtype(inputs: Tensor, module: nn.Module) -> None:
    """Raise unless ``inputs`` are where ``module``'s parameters are, and in their precision; autocast takes any.

    Raises:
        TypeError: another precision.
        ValueError: another device.
    """
    parameter = first_parameter(module, floating=True)
    if parameter is None:  # quantised, or there are none
        return
    dtype = parameter.dtype
    if inputs.device != parameter.device:
        raise ValueError(
            f"inputs is on {inputs.device}, but the module's parameters are on {parameter.device}: "
            f"call inputs.to({str(parameter.device)!r}), or move the module"
        )
    if inputs.dtype != dtype and not autocasts(inputs.device.type):
        raise TypeError(
            f"inputs has dtype {inputs.dtype}, but the module's parameters are {dtype}: call inputs.to({dtype})"
        )


def check_finite(inputs: Tensor) -> None:
    """Raise ValueError naming the first NaN or Inf of ``inputs`` (B, T, I)."""
    bad = ~torch.isfinite(inputs)
    if bad.any():
        b, t, i = (int(n) for n in bad.nonzero()[0])
        raise ValueError(
            f"inputs has {int(bad.sum())} values that are NaN or Inf; the first is {inputs[b, t, i].item()} at "
            f"batch {b}, step {t}, feature {i}"
        )


def check_length_tensor(lengths: Tensor, batch_size: int) -> Tensor:
    """The lengths as int64, with no look at their values; raises ValueError or TypeError."""
    check_dense("lengths", lengths)
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise TypeError(f"lengths has dtype {lengths.dtype}, but must hold integers")
    if lengths.shape != (batch_size,):
        raise ValueError(
            f"lengths has shape {tuple(lengths.shape)}, but must be ({batch_size},): one length a sequence"
        )
    return lengths.long()


def check_lengths(lengths: Tensor | Sequence[int], batch_size: int, steps: int) -> list[int]:
    """The lengths as a list of ints within 0..steps, one a sequence; raises ValueError or TypeError."""
    if isinstance(lengths, Tensor):
        check_length_tensor(lengths, batch_size)
        if lengths.is_meta:
            raise ValueError("lengths is on meta, where it has no numbers: give a list, or a tensor on the CPU")
        values = lengths.tolist()
    elif isinstance(lengths, (Set, Mapping, str, bytes)):
        raise TypeError(f"lengths is a {type(lengths).__name__}, but must be a list or tensor in the batch's order")
    else:
        values = list(lengths) if isinstance(lengths, Iterable) else lengths
    if not isinstance(values, list) or len(values) != batch_size or any(isinstance(v, list) for v in values):
        shape = tuple(torch.as_tensor(lengths).shape)
        raise ValueError(f"lengths has shape {shape}, but must be ({batch_size},): one length a sequence")
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        if not all(hasattr(value, "__index__") and not isinstance(value, bool) for value in values):
            raise TypeError(f"lengths is {values}, but must hold integers")
        values = [operator.index(value) for value in values]
    for position, value in enumerate(values):
        if not 0 <= value <= steps:
            raise ValueError(f"lengths[{position}] is {value}, but must lie within 0..{steps}, the steps of the inputs")
    return values


def check_resets(resets: Tensor, inputs: Tensor, batch_first: bool = True) -> None:
    """Raise TypeError or ValueError unless ``resets`` is a bool (B, T), or (T, B), for ``inputs`` (B, T, I)."""
    steps = tuple(inputs.shape[:2]) if batch_first else (inputs.shape[1], inputs.shape[0])
    if not isinstance(resets, Tensor) or resets.dtype != torch.bool:
        kind = getattr(resets, "dtype", type(resets).__name__)
        raise TypeError(f"resets is {kind}, but must be a bool tensor {steps}")
    if resets.layout != torch.strided:
        raise TypeError(f"resets has the layout {resets.layout}, but must be dense: call resets.to_dense()")
    if tuple(resets.shape) != steps:
        raise ValueError(f"resets has shape {tuple(resets.shape)}, but must be {steps}, as the steps of the inputs")
    if resets.device != inputs.device:
        raise ValueError(f"resets is on {resets.device}, but the inputs are on {inputs.device}")


def check_state(state: Any, expected: Any, device: torch.device, *, growing: bool = False) -> None:
    """Raise ValueError or TypeError unless ``state`` has the kinds and shapes of ``expected``, and is on ``device``.

    Of ``growing`` states the batch and the number of dimensions are compared, and that none has become smaller.
    """
    if type(state) is not type(expected) and not isinstance(expected, Tensor):
        raise TypeError(
            f"state is a {type(state).__name__}, but this module's state is a {type(expected).__name__}: "
            "pass what the module returned, or None"
        )
    _check_parts(state, expected, device, growing)
    if device.type == "cpu" and not torch.compiler.is_compiling():  # a look at the values would cost a pause
        _check_values(state)


def _check_values(state: Any) -> None:
    """Let states that say where something stands see that it is there: those with a ``check_values``."""
    if not isinstance(state, Tensor):
        for part in state:
            _check_values(part)
        if hasattr(state, "check_values"):
            state.check_values()


def _check_parts(state: Any, expected: Any, device: torch.device, growing: bool) -> None:
    if not isinstance(expected, Tensor) and not hasattr(expected, "_fields"):
        raise TypeError(f"a state is a NamedTuple of tensors and states, got {type(expected).__name__}")
    kind = Tensor if isinstance(expected, Tensor) else type(expected)
    if not isinstance(state, kind):
        raise TypeError(
            f"state holds a {type(state).__name__} where a {kind.__name__} is needed: was it made by a module of "
            "another kind?"
        )
    if not isinstance(expected, Tensor):
        for part, expected_part in zip(state, expected):
            _check_parts(part, expected_part, device, growing)
    elif state.is_nested or state.layout is not torch.strided:
        raise TypeError(
            f"state holds a tensor of layout {state.layout} where a dense one is needed: to_dense() makes it"
        )
    elif state.shape != expected.shape and not (growing and _may_have_grown(state, expected)):
        raise ValueError(
            f"state holds a tensor of shape {tuple(state.shape)} where {tuple(expected.shape)} is needed: was it made "
            "for another batch size, or before resize()?"
        )
    elif state.dtype != expected.dtype and not (state.is_floating_point() and autocasts(device.type)):
        raise TypeError(
            f"state holds a tensor of {state.dtype} where {expected.dtype} is needed: "
            f"memnets.map_state(lambda t: t.to({expected.dtype}), state) casts it"
        )
    elif state.device != device:
        raise ValueError(
            f"state holds a tensor on {state.device}, but the inputs are on {device}: move the one to the other "
            "(memnets.base.state.map_state moves a state)"
        )
    else:
        check_dense("a tensor of state", state)


def _may_have_grown(tensor: Tensor, expected: Tensor) -> bool:
    """Whether it is of that batch, and as large everywhere at least where something stands from the start."""
    if tensor.dim() != expected.dim() or tensor.shape[:1] != expected.shape[:1]:
        return False
    return all(n >= least or least < 2 for n, least in zip(tensor.shape, expected.shape))
