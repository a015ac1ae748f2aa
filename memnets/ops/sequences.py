"""Linear recurrences over a sequence: step by step, or in parallel over chunks of steps."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..base.autocast import without_autocast
from .flash import flash_delta_rule, serves

SequenceAndState = tuple[Tensor, Tensor]
"""``(B, T, H, V)`` and ``(B, H, K, V)``."""


def recurrence(
    step: Callable[..., SequenceAndState],
    chunked: Callable[..., SequenceAndState],
    sequences: dict[str, Tensor],
    initial_state: Tensor | None,
    chunk: int | None,
) -> SequenceAndState:
    """The outputs of all steps and the last state, in at least float32 and untouched by autocast.

    Half precision on CUDA in chunks goes through flash-linear-attention where that is installed and no gradient is
    asked for: products in half precision, sums in float32.

    Args:
        step: One step, ``(*inputs, state) -> (output, state)``.
        chunked: The same for a sequence, ``(*sequences, state, chunk) -> (outputs, state)``.
        sequences: "q" and "k" ``(B, T, H, K)``, "v" ``(B, T, H, V)`` and gates ``(B, T, H)``, in the order of ``step``.
        initial_state: ``(B, H, K, V)``; zeros by default.
        chunk: Steps to compute at once; None takes them one by one.

    Returns:
        Outputs ``(B, T, H, V)`` in the dtype of v, and the last state ``(B, H, K, V)``.

    Raises:
        ValueError: Shapes do not fit one another, or ``chunk`` is below 1.
    """
    k, v = sequences["k"], sequences["v"]
    check_shapes(sequences, initial_state)
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk is {chunk}, but needs at least 1 step; None takes the steps one by one")
    if initial_state is None:
        initial_state = v.new_zeros(v.shape[0], v.shape[2], k.shape[3], v.shape[3])
    if chunk is not None and serves(sequences, initial_state):
        with without_autocast(v.device.type):
            return flash_delta_rule(sequences, initial_state)
    *inputs, state = in_float32(*sequences.values(), initial_state)
    with without_autocast(v.device.type):
        if v.shape[1] == 0:
            return torch.zeros_like(v), state
        if chunk is None or torch.onnx.is_in_onnx_export():  # ONNX has no triangular solve
            outputs, state = one_by_one(step, inputs, state)
        else:
            outputs, state = chunked(*inputs, state, min(chunk, v.shape[1]))
    return outputs.to(v.dtype), state


def check_shapes(sequences: dict[str, Tensor], initial_state: Tensor | None) -> None:
    """Raise ``ValueError`` where a tensor's shape does not fit those of k and v."""
    k, v = tuple(sequences["k"].shape), tuple(sequences["v"].shape)
    if len(v) != 4 or len(k) != 4 or v[:3] != k[:3]:
        raise ValueError(f"k has shape {k} and v {v}, but they need (B, T, H, K) and (B, T, H, V)")
    needed = dict.fromkeys(sequences, k[:3]) | {"q": k, "k": k, "v": v}
    given = sequences
    if initial_state is not None:
        given, needed = given | {"initial_state": initial_state}, needed | {"initial_state": (k[0], k[2], k[3], v[3])}
    for name, tensor in given.items():
        if tuple(tensor.shape) != needed[name]:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}, but beside k {k} and v {v} it needs {needed[name]}"
            )


def one_by_one(step: Callable[..., SequenceAndState], sequences: list[Tensor], state: Tensor) -> SequenceAndState:
    """The step at each index of dimension 1."""
    outputs = []
    for inputs in zip(*(sequence.unbind(1) for sequence in sequences)):
        output, state = step(*inputs, state)
        outputs.append(output)
    return torch.stack(outputs, dim=1), state


def into_chunks(sequence: Tensor, chunk: int) -> Tensor:
    """``(B, T, H, D)`` as ``(chunks, B, H, chunk, D)``, with zeros after the last step.

    Zeros change nothing: no key, no value, and a decay of exp(0).
    """
    batch, steps, heads, size = sequence.shape
    chunks = -(-steps // chunk)
    if chunks * chunk != steps:
        rest = sequence.new_zeros(batch, chunks * chunk - steps, heads, size)
        sequence = torch.cat([sequence, rest], dim=1)
    return sequence.reshape(batch, chunks, chunk, heads, size).permute(1, 0, 3, 2, 4).contiguous()


def from_chunks(outputs: list[Tensor], steps: int) -> Tensor:
    """Chunks of ``(B, H, chunk, D)`` as one sequence of so many steps, ``(B, T, H, D)``."""
    return torch.cat(outputs, dim=2)[:, :, :steps].transpose(1, 2)


def in_float32(*tensors: Tensor) -> list[Tensor]:
    """Half-precision tensors as float32, others in the widest dtype among them: sums over a sequence need digits."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return [tensor.to(dtype) for tensor in tensors]
