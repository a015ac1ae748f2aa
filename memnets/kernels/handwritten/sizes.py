"""What the kernels are compiled for: sizes, and powers of two for the blocks that hold them."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from .configuration import Plan

TILE = 8192
"""Weights of a matrix that a program reads at a time."""


def power_of_two(size: int) -> int:
    """The least power of two that is not below ``size``."""
    return 1 << max(size - 1, 0).bit_length()


class Sizes(NamedTuple):
    """Of a sequence and of the parts of a cell."""

    steps: int
    batch: int
    hidden: int
    slots: int
    width: int
    readers: int
    writers: int
    units: int  # G, sums of a layer
    interface: int  # F

    @property
    def reads(self) -> int:
        """R M, numbers read a step."""
        return self.readers * self.width

    @property
    def features(self) -> int:
        """C + R M, numbers of an output."""
        return self.hidden + self.reads


def sizes_of(plan: Plan, inputs: Tensor, state: Sequence[Tensor], parameters: Sequence[Tensor]) -> Sizes:
    """From the shapes of the arguments of ``forward``."""
    steps, batch, _ = inputs.shape
    memory, read_weights, write_weights, _ = state[-4:]
    interface, hidden = parameters[-2].shape
    _, slots, width = memory.shape
    units = hidden * (4 if plan.lstm else 1)
    return Sizes(steps, batch, hidden, slots, width, read_weights.shape[1], write_weights.shape[1], units, interface)


def settings(plan: Plan, sizes: Sizes) -> dict[str, int]:
    """What both kernels are compiled for."""
    heads, memory = sizes.readers + sizes.writers, power_of_two(sizes.slots) * power_of_two(sizes.width)
    return {
        "LSTM": int(plan.lstm),
        "L": plan.layers,
        "C": sizes.hidden,
        "N": sizes.slots,
        "M": sizes.width,
        "R": sizes.readers,
        "W": sizes.writers,
        "S": plan.shifts,
        "C_P": power_of_two(sizes.hidden),
        "N_P": power_of_two(sizes.slots),
        "M_P": power_of_two(sizes.width),
        "H_P": power_of_two(heads),
        "F_P": power_of_two(sizes.interface),
        "num_warps": 8 if memory <= 4096 else 16,
    }


def block(columns: int, rows: int) -> int:
    """Rows of a tile of a matrix (rows, columns)."""
    return min(max(TILE // power_of_two(columns), 1), power_of_two(rows))
