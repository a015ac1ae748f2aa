"""Numbers that stay within their precision, half precision too: float16 ends at 65,504, and 1e-8 is 0 there."""

import torch
from torch import Tensor

LENGTH_EPSILON = 1e-6
"""Added to the squared length of vectors before they are brought to length 1."""


def unit_length(vectors: Tensor) -> Tensor:
    """Vectors in the last dimension, brought to length 1; a zero vector stays zero.

    Half precision is computed in float32: the gradient of a short vector has 1e-6 to the power of -1.5.
    """
    wide = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
    scale = (wide.square().sum(-1, keepdim=True) + LENGTH_EPSILON).rsqrt()
    return (wide * scale).to(vectors.dtype)


def cut_off(numbers: Tensor, largest: float) -> Tensor:
    """Numbers no larger than ``largest`` either way, or than their precision has."""
    largest = min(largest, torch.finfo(numbers.dtype).max)
    return numbers.clamp(-largest, largest)
