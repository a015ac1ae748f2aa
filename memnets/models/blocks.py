"""A stack of blocks around whole-sequence layers, as of a Transformer, with the contract of ``torch.nn.LSTM``."""

import abc
from collections.abc import Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from ..base.checks import check_length_tensor, check_state, check_whole
from ..base.modes import check_share
from ..base.module import SequenceModule
from ..base.segments import clear_padding, run_in_segments
from ..base.state import join_layers, layer_of
from ..base.state_types import register_state
from ..layers import Layer, ProductKeyMemory
from ..layers.gated_output import NORM_EPSILON


class BlockOptions(TypedDict, total=False):
    """The arguments of :class:`BlockNetwork` beside its sizes and layers, for models that pass them on."""

    feedforward_size: int | None
    product_keys: int | None
    dropout: float
    output_size: int | None
    vocabulary: int | None
    batch_first: bool
    truncated_bptt_steps: int | None
    check_finite: bool
    device: torch.device | str | None
    dtype: torch.dtype | None


class Block(nn.Module):
    """``x <- x + layer(norm(x))``, then ``x <- x + feedforward(norm(x))``: Xiong et al. 2020, figure 1 (b).

    Args:
        layer: over D numbers a step.
        feedforward: what each step goes through by itself.
        dropout: share of what is added that is left out in training.
    """

    def __init__(self, layer: Layer, feedforward: nn.Module, dropout: float):
        super().__init__()
        size = layer.hidden_size
        self.layer = layer
        self.layer_norm = nn.RMSNorm(size, eps=NORM_EPSILON)
        self.feedforward_norm = nn.RMSNorm(size, eps=NORM_EPSILON)
        self.feedforward = feedforward
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: Any, lengths: Tensor | None, **given: Any) -> tuple[Tensor, Any]:
        """``x (B, T, D)`` and the layer's state to the same; what else is ``given`` is the layer's."""
        mixed, state = self.layer(self.layer_norm(x), state, lengths, **given)
        x = x + self.dropout(mixed)
        return x + self.dropout(self.feedforward(self.feedforward_norm(x))), state


def make_feedforward(hidden_size: int, units: int) -> nn.Module:
    """Two layers with GELU between them."""
    return nn.Sequential(nn.Linear(hidden_size, units), nn.GELU(), nn.Linear(units, hidden_size))


class BlockNetwork(SequenceModule, abc.ABC):
    """Inputs projected to D numbers, blocks, and a last norm.

    The state is that of a layer, with L, the blocks, as the second dimension of each tensor.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: D.
        layers: one a block, of one kind.
        feedforward_size: units of a block's feed-forward network; 4 D if None.
        product_keys: N, for a :class:`memnets.layers.ProductKeyMemory` of N^2 values in the middle block, in place of
            its feed-forward network; None for none.
        dropout: share of what each block adds that is left out in training.
        output_size: O, or None for D.
        vocabulary: number of tokens, for inputs of whole numbers ``(B, T)``; None for inputs of numbers.
        batch_first: inputs and outputs are ``(B, T, .)`` if True, ``(T, B, .)`` if False.
        truncated_bptt_steps: cut the gradient each time this many steps have passed, or None for never.
        check_finite: refuse inputs with NaN or Inf.
        device: where the weights are, the CPU if None.
        dtype: their precision, torch's default if None.

    Raises:
        ValueError: a size below 1, or ``dropout`` outside 0..1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        layers: Sequence[Layer],
        *,
        feedforward_size: int | None = None,
        product_keys: int | None = None,
        dropout: float = 0.0,
        output_size: int | None = None,
        vocabulary: int | None = None,
        batch_first: bool = True,
        truncated_bptt_steps: int | None = None,
        check_finite: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(
            input_size,
            hidden_size,
            output_size=output_size,
            vocabulary=vocabulary,
            batch_first=batch_first,
            check_finite=check_finite,
        )
        for name, value in (
            ("feedforward_size", feedforward_size),
            ("product_keys", product_keys),
            ("truncated_bptt_steps", truncated_bptt_steps),
        ):
            if value is not None:
                check_whole(name, value)
        check_share("dropout", dropout)
        self.hidden_size = hidden_size
        self.truncated_bptt_steps = truncated_bptt_steps
        self.inner = nn.Linear(input_size, hidden_size)
        units = feedforward_size or 4 * hidden_size
        networks = [make_feedforward(hidden_size, units) for _ in layers]
        if product_keys is not None:
            networks[len(layers) // 2] = ProductKeyMemory(hidden_size, keys=product_keys)
        self.blocks = nn.ModuleList(Block(layer, network, dropout) for layer, network in zip(layers, networks))
        self.norm = nn.RMSNorm(hidden_size, eps=NORM_EPSILON)
        register_state(self.make_state(1, device=torch.device("meta")))
        self.place(device, dtype)

    @property
    def layers(self) -> list[Any]:
        """The layers of the blocks."""
        return [block.layer for block in self.blocks]

    def make_state(self, batch_size: int, *, device: torch.device | None = None) -> Any:
        """The layers' states before the first step."""
        return join_layers([layer.initial_state(batch_size, device=device) for layer in self.layers])

    def check_state(self, state: Any, batch_size: int, device: torch.device) -> None:
        """Raise ValueError or TypeError unless ``state`` is one of this module's for ``batch_size`` sequences."""
        expected = self.make_state(batch_size, device=torch.device("meta"))
        check_state(state, expected, device, growing=self.layers[0].growing)

    def read_lengths(self, lengths: Tensor | Sequence[int], inputs: Tensor) -> Any:
        """As a list; as a tensor where a graph of ``torch.compile`` must serve any lengths."""
        if isinstance(lengths, Tensor) and torch.compiler.is_compiling():
            return check_length_tensor(lengths, inputs.shape[0])
        return super().read_lengths(lengths, inputs)

    def run(self, inputs: Tensor, state: Any, lengths: Any) -> tuple[Tensor, Any]:
        """The blocks over ``inputs (B, T, I)``."""
        if lengths is not None:
            lengths = torch.as_tensor(lengths, device=inputs.device)  # (B,)
            inputs = clear_padding(inputs, lengths)
        return run_in_segments(self._run, inputs, state, lengths, self.truncated_bptt_steps)

    def _run(self, inputs: Tensor, state: Any, lengths: Tensor | None, **given: Any) -> tuple[Tensor, Any]:
        x = self.inner(inputs).to(self.norm.weight.dtype)  # (B, T, D), summed in full precision under autocast too
        after = []
        for number, block in enumerate(self.blocks):
            x, own = block(x, layer_of(state, number), lengths, **given)
            after.append(own)
        return self.norm(x), join_layers(after)
