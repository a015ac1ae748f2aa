"""The delta rule as a layer: DeltaNet, with decay Gated DeltaNet, with several keys a step DeltaProduct."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.checks import check_whole
from ..base.records import Record, stack_steps
from ..base.segments import clear_padding
from ..base.state_types import known_state
from ..ops import DELTA_CHUNK, delta_rule, gated_delta_rule
from ..ops.precision import unit_length
from .base import Layer
from .decay import Decay
from .gated_output import GatedOutput
from .short_convolution import ShortConvolution


@known_state
class DeltaNetState(NamedTuple):
    """What a layer of the delta rule carries; of a model of L layers each with L after B.

    Attributes:
        memory: S, ``(B, H, K, V)``.
        recent: the last inputs of the short convolution, ``(B, C - 1, F)``.
    """

    memory: Tensor
    recent: Tensor


class DeltaLayer(Layer):
    """A memory of each head, written by the delta rule and read by a query.

    ``q, k, v = silu(convolution(W x))`` with q and k of length 1, ``beta = sigmoid(W_b x)``, and in each step
    ``S <- a S``, ``S <- S + beta k (v - k S)`` for each of its keys, ``o = q S``.

    Args:
        hidden_size: D.
        heads: H.
        key_width: K; D / H if None.
        value_width: V; D / H if None.
        products: keys and values a step; more than one is DeltaProduct.
        decay: let a memory fade before each step (Gated DeltaNet); a is 1 without.
        negative_eigenvalues: beta within 0..2 in place of 0..1, so that a step can turn what a key recalls round:
            parity, and other things that must be kept track of, cannot be learnt without.
        convolution: C, steps that the convolution sees.
        chunk: steps to compute at once; None takes them one by one.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        Yang, Wang, Zhang, Shen & Kim 2024, arXiv:2406.06484; Yang, Kautz & Hatamizadeh 2024, arXiv:2412.06464; Grazzi
        et al. 2024, arXiv:2411.12537 (negative eigenvalues); Siems et al. 2025, arXiv:2502.10297 (products).
    """

    def __init__(
        self,
        hidden_size: int,
        heads: int = 4,
        *,
        key_width: int | None = None,
        value_width: int | None = None,
        products: int = 1,
        decay: bool = False,
        negative_eigenvalues: bool = False,
        convolution: int = 4,
        chunk: int | None = DELTA_CHUNK,
    ):
        super().__init__(hidden_size, heads)
        self.key_width = self.width if key_width is None else key_width
        self.value_width = self.width if value_width is None else value_width
        for name in ("key_width", "value_width"):
            check_whole(name, getattr(self, name))
        check_whole("products", products)
        if chunk is not None:
            check_whole("chunk", chunk)
        self.products = products
        self.negative_eigenvalues = negative_eigenvalues
        self.chunk = chunk
        keys, values = heads * self.key_width, heads * self.value_width
        self.sizes = [keys, products * keys, products * values]  # of q, k and v
        self.project = nn.Linear(hidden_size, sum(self.sizes), bias=False)
        self.convolution = ShortConvolution(sum(self.sizes), convolution)
        self.strength = nn.Linear(hidden_size, products * heads, bias=False)
        self.decay = Decay(hidden_size, heads) if decay else None
        self.readout = GatedOutput(hidden_size, heads, self.value_width)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> DeltaNetState:
        """An empty memory, and zeros before the first step."""
        memory = self.zeros(batch_size, self.heads, self.key_width, self.value_width, device=device, dtype=dtype)
        recent = self.zeros(batch_size, self.convolution.steps - 1, sum(self.sizes), device=device, dtype=dtype)
        return DeltaNetState(memory, recent)

    def run(self, x: Tensor, state: DeltaNetState, lengths: Tensor | None) -> tuple[Tensor, DeltaNetState]:
        """The layer over ``x (B, T, D)``."""
        q, k, v, recent = self._parts(x, state, lengths)
        beta = self.strength(x).sigmoid() * (2 if self.negative_eigenvalues else 1)
        log_decay = None if self.decay is None else self.decay(x)  # (B, T, H)
        if lengths is not None:  # past its end a sequence writes nothing and forgets nothing
            beta = clear_padding(beta, lengths)
            log_decay = None if log_decay is None else clear_padding(log_decay, lengths)
        beta = self._heads(beta, self.products).squeeze(-1)  # (B, T * products, H)
        if self.products > 1:
            q = q.repeat_interleave(self.products, dim=1)
        if log_decay is None:
            o, memory = delta_rule(q, k, v, beta, state.memory, self.chunk)
        else:  # a memory fades before the first product of a step
            log_decay = F.pad(log_decay.unsqueeze(2), (0, 0, 0, self.products - 1)).flatten(1, 2)
            o, memory = gated_delta_rule(q, k, v, beta, log_decay, state.memory, self.chunk)
        o = o[:, self.products - 1 :: self.products]  # (B, T, H, V), what is read after the last
        return self.readout(o, x), DeltaNetState(memory.to(state.memory.dtype), recent)

    def record(self, x: Tensor, state: DeltaNetState) -> dict[str, Record]:
        """What is written where and how strongly, what is asked for, and the memory after each step."""
        q, k, v, _ = self._parts(x, state, None)
        k, v = (part.unflatten(1, (x.shape[1], self.products)) for part in (k, v))
        strength = self.strength(x).sigmoid()
        fading = {} if self.decay is None else {"decay": Record(self.decay(x).exp(), "gate")}
        return {
            "key": Record(k, "vector"),
            "value": Record(v, "vector"),
            "query": Record(q, "vector"),
            "write_strength": Record(2 * strength, "scalar") if self.negative_eigenvalues else Record(strength, "gate"),
            **fading,
            "memory": Record(stack_steps([after.memory for after in self.states(x, state)]), "contents"),
        }

    def _parts(self, x: Tensor, state: DeltaNetState, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """q ``(B, T, H, K)``, k and v ``(B, T * products, H, .)``, and the convolution's last inputs."""
        mixed, recent = self.convolution(self.project(x), state.recent, lengths)
        q, k, v = F.silu(mixed).split(self.sizes, dim=-1)
        k = unit_length(self._heads(k, self.products))
        return unit_length(self._heads(q, 1)), k, self._heads(v, self.products), recent

    def _heads(self, values: Tensor, products: int) -> Tensor:
        """``(B, T, products * H * W)`` as ``(B, T * products, H, W)``."""
        return values.unflatten(-1, (products, self.heads, -1)).flatten(1, 2)
