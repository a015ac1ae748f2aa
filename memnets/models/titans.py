"""Titans: blocks around a neural memory that learns as it reads."""

from typing import Unpack

from ..base.checks import check_whole
from ..layers.base import Layer
from ..layers.titans import TitansLayer
from ..layers.titans_attention import NeuralMemoryOptions, TitansAttentionLayer
from ..layers.titans_context import TitansContextLayer
from .blocks import BlockNetwork, BlockOptions


class Titans(BlockNetwork):
    """Blocks of neural memory, used like ``torch.nn.LSTM`` (batch first): the papers' LMM, MAC, MAG, MAL and OmegaNet.

    >>> model = Titans(input_size=9, hidden_size=64, output_size=8, depth=2)
    >>> output, state = model(torch.randn(4, 41, 9))  # (4, 41, 8)
    >>> output, state = model(torch.randn(4, 1, 9), state)  # one step more, at the same place of its chunk

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: D.
        num_layers: L, blocks.
        heads: H.
        depth: layers of a head's memory, each D / H wide; 1 is a matrix.
        chunk: steps whose gradient is taken at the memory before the first of them; 1 takes it anew at each step.
        window: keys that each step learns again, the Omega rule; 1 is the last key alone.
        momentum: carry on a share of the last change.
        decay: let the memory fade.
        convolution: steps that the short convolution sees; 1 for the present one alone.
        parallel: compute a chunk at once; False takes the steps one by one, with the same result.
        attention: where attention to the last steps comes in: "none"; "context", it sees the steps of a segment and
            what the memory of earlier ones recalls for them (MAC), where segments are the chunks; "gate", what it puts
            out is gated by the memory's (MAG); "layer", it sees what the memory puts out (MAL).
        attention_window: steps that it sees as a gate or layer.
        persistent: learned vectors that it sees beside them.
        options: those of :class:`memnets.models.blocks.BlockNetwork`: ``feedforward_size``, ``product_keys``,
            ``dropout``, ``output_size``, ``vocabulary``, ``batch_first``, ``truncated_bptt_steps``, ``check_finite``.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        @article{behrouz2024titans, title={Titans: Learning to Memorize at Test Time}, author={Behrouz, Ali and Zhong,
        Peilin and Mirrokni, Vahab}, year={2024}}, arXiv:2501.00663; the window: Behrouz et al. 2025, ATLAS,
        arXiv:2505.23735. See :class:`memnets.layers.TitansLayer` for what they leave open.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        heads: int = 4,
        depth: int = 1,
        chunk: int = 16,
        window: int = 1,
        momentum: bool = True,
        decay: bool = True,
        convolution: int = 4,
        parallel: bool = True,
        attention: str = "none",
        attention_window: int = 32,
        persistent: int = 4,
        **options: Unpack[BlockOptions],
    ):
        check_whole("num_layers", num_layers)
        memory: NeuralMemoryOptions = {
            "depth": depth,
            "chunk": chunk,
            "window": window,
            "momentum": momentum,
            "decay": decay,
            "convolution": convolution,
            "parallel": parallel,
        }

        def make_layer() -> Layer:
            if attention == "none":
                return TitansLayer(hidden_size, heads, **memory)
            if attention == "context":
                return TitansContextLayer(hidden_size, heads, persistent=persistent, **memory)
            more = {"attention_window": attention_window, "persistent": persistent}
            return TitansAttentionLayer(hidden_size, heads, place=attention, **more, **memory)

        layers = [make_layer() for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers, **options)
