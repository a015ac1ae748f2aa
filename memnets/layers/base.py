"""What layers over whole sequences share."""

import abc
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import check_inputs, check_whole
from ..base.records import Record, RecordedSequence, kind_of_field, stack_steps
from ..base.segments import clear_padding
from ..base.state import named_tensors


class Layer(nn.Module, RecordedSequence, abc.ABC):
    """All steps of a sequence at once, of D numbers in and D out, with a state that is carried from call to call.

    Feeding a sequence in parts, or step by step, equals feeding it whole.

    Args:
        hidden_size: D, of which each head has a share of ``width`` numbers.
        heads: H.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.
    """

    growing = False
    """Whether the state's tensors grow from step to step; what is filled up are then zeros at the end."""

    def __init__(self, hidden_size: int, heads: int):
        super().__init__()
        check_whole("hidden_size", hidden_size)
        check_whole("heads", heads)
        if hidden_size % heads:
            raise ValueError(f"hidden_size is {hidden_size}, but must be a multiple of heads={heads}")
        self.hidden_size = hidden_size
        self.heads = heads
        self.width = hidden_size // heads

    @abc.abstractmethod
    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """The state before the first step, with the parameters' device and dtype unless told."""

    @abc.abstractmethod
    def run(self, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        """The layer over ``x (B, T, D)``, which is zero past ``lengths (B,)``; see :meth:`forward`."""

    def forward(
        self, x: Tensor, state: Any = None, lengths: Tensor | Sequence[int] | None = None, **given: Any
    ) -> tuple[Tensor, Any]:
        """Run over a batch of sequences.

        Args:
            x: ``(B, T, D)``.
            state: as returned by an earlier call; None starts afresh.
            lengths: ``(B,)`` whole numbers within 0..T, not looked at again here. Steps past a sequence's length leave
                its state as it was; what comes out of them means nothing.
            given: what else the layer takes, see its ``run``.

        Returns:
            ``(B, T, D)``, and the state after each sequence's last step.

        Raises:
            ValueError, TypeError: ``x`` does not fit.
        """
        check_inputs(x, self.hidden_size)
        if state is None:
            state = self.initial_state(x.shape[0])
        if lengths is not None:
            lengths = torch.as_tensor(lengths, device=x.device)
            x = clear_padding(x, lengths)
        if self.recorder is not None:
            with torch.no_grad():
                self.recorder(self.record(x, state, **given))
        return self.run(x, state, lengths, **given)

    def record(self, x: Tensor, state: Any) -> dict[str, Record]:
        """What a trace keeps of a call: by default every tensor of the state after each step, but whole numbers.

        Args:
            x: ``(B, T, D)``, zero past the sequences' lengths.
            state: before the first step.

        Returns:
            By name, values ``(B, T, ...)`` with their kinds. What stands past a sequence's length does not matter.
        """
        after = self.states(x, state)
        tensors = [dict(named_tensors(each)) for each in after]
        numbers = [name for name, tensor in tensors[0].items() if tensor.is_floating_point()]
        return {
            name.replace(".", "_"): Record(
                stack_steps([each[name] for each in tensors]), kind_of_field(tensors[0][name])
            )
            for name in numbers
        }

    def states(self, x: Tensor, state: Any) -> list[Any]:
        """The state after each step of ``x (B, T, D)``, taken one by one, whatever the sequences' lengths."""
        after = []
        for t in range(x.shape[1]):
            state = self.run(x[:, t : t + 1], state, None)[1]
            after.append(state)
        return after

    def zeros(
        self, batch_size: int, *sizes: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Tensor:
        """``(B, *sizes)`` zeros, like the parameters unless told."""
        weight = next(self.parameters())
        return torch.zeros(batch_size, *sizes, device=device or weight.device, dtype=dtype or weight.dtype)
