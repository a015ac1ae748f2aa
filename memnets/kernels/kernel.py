"""What every fused kernel is to the code around it: two calls on plain tensors."""

import abc
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor


class Run(NamedTuple):
    """What a forward pass gives.

    Attributes:
        outputs: ``(T, B, F)``.
        last: each tensor of the state after each sequence's last step.
        kept: what the backward pass needs.
    """

    outputs: Tensor
    last: list[Tensor]
    kept: list[Tensor]


class Refusal(Exception):
    """Why a cell has no kernel. ``here``: it is the machine that lacks something, not the cell."""

    def __init__(self, reason: str, here: bool = False):
        super().__init__(reason)
        self.reason, self.here = reason, here


class Gradients(NamedTuple):
    """Gradients of a sequence's inputs, starting state and parameters; None where not asked for."""

    inputs: Tensor | None
    state: list[Tensor | None]
    parameters: list[Tensor | None]


class Kernel(abc.ABC):
    """A cell over a sequence in compiled code. ``key`` names it among those of the process."""

    key: str
    start: Any = None
    """The state of one sequence before its first step where each call starts from the same; else None."""

    @abc.abstractmethod
    def names(self, cell: Any) -> list[str]:
        """The names of those parameters and buffers of ``cell`` that the kernel reads, in its order."""

    @abc.abstractmethod
    def forward(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        lengths: Sequence[int] | None,
        keep: bool,
    ) -> Run:
        """The whole sequence.

        Args:
            inputs: ``(T, B, I)``.
            state: before the first step; one of a single sequence stands for all.
            parameters: those of :meth:`names`.
            lengths: of the sequences, longest first, or None.
            keep: whether :meth:`backward` follows.
        """

    @abc.abstractmethod
    def shapes(self, inputs: Tensor, state: Sequence[Tensor], parameters: Sequence[Tensor], keep: bool) -> Run:
        """Empty tensors like those of :meth:`forward`."""

    @abc.abstractmethod
    def backward(
        self,
        inputs: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        lengths: Sequence[int] | None,
        kept: Sequence[Tensor],
        d_outputs: Tensor,
        d_last: Sequence[Tensor | None],
        needs: Sequence[bool],
    ) -> Gradients:
        """The gradients.

        Args:
            inputs: and the following, as given to :meth:`forward`.
            state: the starting state.
            parameters: all of them.
            lengths: or None.
            kept: from :meth:`forward`.
            d_outputs: ``(T, B, F)``.
            d_last: of the last state; None counts as zero.
            needs: for the inputs, each tensor of the state and each parameter, whether its gradient is wanted.
        """


KERNELS: weakref.WeakValueDictionary[str, Kernel] = weakref.WeakValueDictionary()
"""The kernels of this process by key, for operators that graphs of ``torch.compile`` hold."""


def kernel_called(key: str) -> Kernel:
    """The kernel of that key.

    Raises:
        ValueError: there is none.
    """
    found = KERNELS.get(key)
    if found is None:
        raise ValueError(
            f"there is no kernel {key!r} in this process: it goes with the cell that it was made for; call the module"
        )
    return found


def named(cell: Any, name: str) -> Tensor:
    """A parameter or buffer of a cell by name; what ``getattr`` gives, faster."""
    *path, last = name.split(".")
    module = cell
    for part in path:
        module = module._modules[part]
    found = module._parameters.get(last)
    return module._buffers[last] if found is None else found
