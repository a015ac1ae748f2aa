"""Fast weights: a recurrent layer that attends to its own recent past through a matrix that fades."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..base.autocast import without_autocast
from ..base.checks import check_number, check_whole
from ..base.records import Record, RecordedCell
from ..base.state_types import known_state
from ..ops.precision import cut_off

LARGEST = 1e15
"""Beyond it numbers are cut off before the norm, whose squares would overflow."""


@known_state
class FastWeightsState(NamedTuple):
    """What a fast-weights cell carries.

    Attributes:
        hidden: h, ``(B, H)``.
        fast: A, ``(B, H, H)``.
    """

    hidden: Tensor
    fast: Tensor


class FastWeightsCell(nn.Module, RecordedCell):
    """One step of a recurrent network with fast weights, ``(x (B, I), state) -> (h (B, H), state)``.

    With ``z = W h + C x`` the next hidden state settles in ``inner_steps`` steps from ``f(norm(z))``, each
    ``h <- f(norm(z + A h))`` (equation 2), and then ``A <- decay A + rate h h^T`` (equation 1); f is ReLU and the norm
    a layer norm.

    Args:
        input_size: I.
        hidden_size: H.
        inner_steps: S.
        decay: lambda.
        rate: eta.

    Raises:
        ValueError: a size below 1.

    Source:
        Ba, Hinton, Mnih, Leibo & Ionescu 2016, Using Fast Weights to Attend to the Recent Past, arXiv:1610.06258.
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, inner_steps: int = 1, decay: float = 0.95, rate: float = 0.5
    ):
        super().__init__()
        for name, value in {"input_size": input_size, "hidden_size": hidden_size, "inner_steps": inner_steps}.items():
            check_whole(name, value)
        for name, value in {"decay": decay, "rate": rate}.items():
            check_number(name, value)
        self.input_size, self.output_size = input_size, hidden_size
        self.inner_steps, self.decay, self.rate = inner_steps, decay, rate
        self.outer = nn.Linear(input_size, hidden_size, bias=False)  # C; the norm has the bias
        self.slow = nn.Linear(hidden_size, hidden_size, bias=False)  # W
        with torch.no_grad():
            self.slow.weight.copy_(0.05 * torch.eye(hidden_size))  # a scaled identity, as in the paper
        self.norm = nn.LayerNorm(hidden_size)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> FastWeightsState:
        """Zeros."""
        weight = self.slow.weight
        device, dtype, size = device or weight.device, dtype or weight.dtype, self.output_size
        hidden = torch.zeros(batch_size, size, device=device, dtype=dtype)
        return FastWeightsState(hidden, torch.zeros(batch_size, size, size, device=device, dtype=dtype))

    def forward(self, x: Tensor, state: FastWeightsState) -> tuple[Tensor, FastWeightsState]:
        """One step."""
        z = (self.slow(state.hidden) + self.outer(x)).to(state.fast.dtype)  # (B, H)
        with without_autocast(x.device.type):  # A sums over the whole past
            h = self._f(z)
            for _ in range(self.inner_steps):
                h = self._f(z + (state.fast @ h.unsqueeze(-1)).squeeze(-1))
            fast = self.decay * state.fast + self.rate * h.unsqueeze(-1) * h.unsqueeze(-2)
        return h, FastWeightsState(h, fast)

    def record(self, prev_state: FastWeightsState, state: FastWeightsState) -> dict[str, Record]:
        """The hidden state, the fast weights, and how strongly the step is like those that they keep, ``h A h``."""
        attended = (state.hidden.unsqueeze(-2) @ prev_state.fast @ state.hidden.unsqueeze(-1)).flatten(1)  # (B, 1)
        return {
            "hidden": Record(state.hidden, "vector"),
            "attention": Record(attended, "scalar"),
            "fast": Record(state.fast, "matrix"),
        }

    def _f(self, z: Tensor) -> Tensor:
        return self.norm(cut_off(z, LARGEST)).relu()
