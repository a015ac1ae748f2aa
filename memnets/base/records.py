"""What a trace keeps of a memory's step: values with a kind, by which figures draw a memory that they do not know."""

from typing import NamedTuple

from torch import Tensor

KINDS = ("weighting", "gate", "vector", "contents", "matrix", "scalar")
"""How a record is drawn.

- ``weighting``: ``(B, N)`` or ``(B, H, N)``, shares of attention over N places, not negative.
- ``gate``: ``(B,)``, ``(B, H)`` or ``(B, H, A)``, within 0..1.
- ``vector``: ``(B, M)`` or ``(B, H, M)``, any sign.
- ``contents``: ``(B, N, M)`` or ``(B, K, N, M)``, what N places hold.
- ``matrix``: ``(B, N, N)`` or ``(B, K, N, N)``, relations between places.
- ``scalar``: ``(B,)`` or ``(B, H)``, a number of any size.
"""


class Record(NamedTuple):
    """One value of one step, batch first, and how to draw it: one of :data:`KINDS`."""

    value: Tensor
    kind: str


def kind_of_field(tensor: Tensor) -> str:
    """The kind of a state's tensor ``(B, ...)`` of which nothing is known but its shape."""
    return {1: "scalar", 2: "vector", 3: "contents"}.get(tensor.dim(), "contents")


def kind_of_part(activation: str, shape: tuple[int, ...]) -> str:
    """The kind of a part of an interface, by its activation and its shape without the batch."""
    if activation == "softmax":
        return "weighting"
    if len(shape) < 2 and (activation == "sigmoid" or not shape):
        return "gate" if activation == "sigmoid" else "scalar"
    if len(shape) == 1 and activation in ("softplus", "oneplus"):
        return "scalar"
    return "vector"
