"""The equations: pure functions of tensors, one section of a paper a file.

Letters in shapes: ``B`` batch, ``N`` slots, ``M`` width, ``R`` read heads, ``W`` write heads, ``H`` any heads,
``S`` shifts (odd). Values come after their activation and every function returns new tensors.
"""

from .content import content_weights, cosine_similarity
from .location import interpolate, sharpen, shift_weights
from .reading import read
from .writing import write

__all__ = ["content_weights", "cosine_similarity", "interpolate", "read", "sharpen", "shift_weights", "write"]
