"""The neural memory of Titans as a layer: a network of each head that is trained on keys and values as it reads."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.checks import check_whole
from ..base.records import Record, stack_steps
from ..base.state_types import known_state
from ..ops.neural_memory import NeuralMemoryState, Steps, neural_memory, recall
from ..ops.precision import unit_length
from .base import Layer
from .gated_output import GatedOutput
from .short_convolution import ShortConvolution

RATE_BIAS, MOMENTUM_BIAS, DECAY_BIAS = -1.0, -1.0, -4.0
"""Starting biases of the gates: rates of a quarter, a quarter of the momentum kept, a fiftieth of the memory lost."""


@known_state
class TitansState(NamedTuple):
    """What a layer of neural memory carries; of a model of L layers each tensor with L after B.

    Attributes:
        memory: of the heads' memories.
        recent: the last inputs of the short convolution, ``(B, C - 1, 3 D)``.
    """

    memory: NeuralMemoryState
    recent: Tensor


class TitansLayer(Layer):
    """A memory of each head, written by gradient descent with momentum and decay, and read by a query.

    ``q, k, v = silu(convolution(W x))`` with q and k of length 1; rate, eta and alpha are ``sigmoid(W' x + b)``;
    equations as in :mod:`memnets.ops.neural_memory`. The memory before the first step is learned.

    Args:
        hidden_size: D.
        heads: H.
        depth: layers of a head's memory; 1 is a matrix.
        chunk: b, steps whose gradient is taken at the memory before the first of them; 1 takes it anew at each step.
        window: c, keys that each step learns again, weighted as they chose: the Omega rule. 1 is the last key alone.
        momentum: carry on a share of the last change.
        decay: let the memory fade.
        convolution: C, steps that the convolution sees; 1 for the present one alone.
        parallel: compute a chunk at once; False takes the steps one by one, with the same result.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        Behrouz, Zhong & Mirrokni 2024, Titans, arXiv:2501.00663, section 3; Behrouz et al. 2025, ATLAS,
        arXiv:2505.23735, section 3.2 (Omega rule). No code of theirs is public. What the papers leave open is chosen
        so: half the squared error, layers without residuals, one rate, momentum and decay a head, a weight of the
        window that its key alone decides, reading after writing.
    """

    def __init__(
        self,
        hidden_size: int,
        heads: int = 4,
        *,
        depth: int = 1,
        chunk: int = 16,
        window: int = 1,
        momentum: bool = True,
        decay: bool = True,
        convolution: int = 4,
        parallel: bool = True,
    ):
        super().__init__(hidden_size, heads)
        for name, value in {"depth": depth, "chunk": chunk, "window": window}.items():
            check_whole(name, value)
        self.depth, self.chunk, self.window, self.parallel = depth, chunk, window, parallel
        self.project = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.convolution = ShortConvolution(3 * hidden_size, convolution)
        self.rate = _gate(hidden_size, heads, RATE_BIAS)
        self.momentum = _gate(hidden_size, heads, MOMENTUM_BIAS) if momentum else None
        self.decay = _gate(hidden_size, heads, DECAY_BIAS) if decay else None
        self.weight = _gate(hidden_size, heads, 0.0) if window > 1 else None
        start = torch.randn(heads, depth, self.width, self.width) * self.width**-0.5
        self.start = nn.Parameter(start if depth > 1 else torch.zeros_like(start))
        self.readout = GatedOutput(hidden_size, heads, self.width)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> TitansState:
        """The learned memory, and no step taken."""
        memory = self.start.to(device=device, dtype=dtype).expand(batch_size, *self.start.shape).clone()
        keys = self.zeros(batch_size, self.window - 1, self.heads, self.width, device=device, dtype=dtype)
        recent = self.zeros(batch_size, self.convolution.steps - 1, 3 * self.hidden_size, device=device, dtype=dtype)
        state = NeuralMemoryState(
            memory,
            torch.zeros_like(memory[:, :, : self.depth if self.momentum else 0]),
            memory[:, :, : self.depth if self.chunk > 1 else 0].clone(),
            keys,
            keys.clone(),
            keys[..., 0].clone(),
            self.zeros(batch_size, device=device, dtype=torch.int64),
        )
        return TitansState(state, recent)

    def run(self, x: Tensor, state: TitansState, lengths: Tensor | None) -> tuple[Tensor, TitansState]:
        """The layer over ``x (B, T, D)``."""
        steps, recent = self._steps(x, state, lengths)
        o, after = neural_memory(steps, state.memory, self.chunk, lengths, parallel=self.parallel)
        numbers = [part.to(state.recent.dtype) for part in after[:-1]]
        return self.readout(o, x), TitansState(NeuralMemoryState._make([*numbers, after.place]), recent)

    def record(self, x: Tensor, state: TitansState) -> dict[str, Record]:
        """What is learnt and how fast, how wrong the memory was about it, and the memory after each step."""
        steps, _ = self._steps(x, state, None)
        states = [state, *self.states(x, state)]
        pairs = zip(states, steps.k.unbind(1), steps.v.unbind(1))
        gates = {"rate": steps.rate, "momentum": steps.log_momentum.exp(), "decay": 1 - steps.log_keep.exp()}
        kept = {"rate", *(name for name in ("momentum", "decay") if getattr(self, name) is not None)}
        return {
            **{
                name: Record(part, "vector")
                for name, part in (("key", steps.k), ("value", steps.v), ("query", steps.q))
            },
            **{name: Record(gate, "gate") for name, gate in gates.items() if name in kept},
            "surprise": Record(torch.stack([self._error(before.memory, k, v) for before, k, v in pairs], 1), "scalar"),
            "memory": Record(stack_steps([after.memory.memory for after in states[1:]]), "contents"),
        }

    def _error(self, before: NeuralMemoryState, k: Tensor, v: Tensor) -> Tensor:
        """``|M(k) - v|`` of a step's key and value ``(B, H, W)``, at the memory at which its gradient is taken."""
        memory = before.memory
        if self.chunk > 1:
            begins = (before.place == 0).view(-1, *[1] * (memory.dim() - 1))
            memory = torch.where(begins, memory, before.anchor)
        return (recall(memory, k.unsqueeze(2)).squeeze(2) - v).norm(dim=-1)

    def _steps(self, x: Tensor, state: TitansState, lengths: Tensor | None) -> tuple[Steps, Tensor]:
        """What the memory is given, and the convolution's last inputs."""
        mixed, recent = self.convolution(self.project(x), state.recent, lengths)
        q, k, v = F.silu(mixed).unflatten(-1, (3, self.heads, self.width)).unbind(2)  # (B, T, H, W) each
        rate = self.rate(x).sigmoid()  # (B, T, H)
        steps = Steps(
            unit_length(q),
            unit_length(k),
            v,
            rate,
            torch.zeros_like(rate) if self.momentum is None else F.logsigmoid(self.momentum(x)),
            torch.zeros_like(rate) if self.decay is None else F.logsigmoid(-self.decay(x)),
            torch.ones_like(rate) if self.weight is None else self.weight(x).sigmoid(),
        )
        return steps, recent


def _gate(hidden_size: int, heads: int, bias: float) -> nn.Linear:
    gate = nn.Linear(hidden_size, heads)
    with torch.no_grad():
        gate.bias.fill_(bias)
    return gate
