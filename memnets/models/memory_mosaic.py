"""Memory Mosaics: blocks around associative memories."""

from typing import Unpack

from ..base.checks import check_whole
from ..layers import MosaicLayer
from .blocks import BlockNetwork, BlockOptions


class MemoryMosaic(BlockNetwork):
    """Blocks of associative memories, used like ``torch.nn.LSTM`` (but with the batch first).

    Like a Transformer without positions, whose state grows by a slot a step; but one block suffices to find what came
    after the last step like this one, which takes a Transformer two.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: D.
        num_layers: L, blocks.
        heads: H.
        options: those of :class:`memnets.models.blocks.BlockNetwork`: ``feedforward_size``, ``product_keys``,
            ``dropout``, ``output_size``, ``vocabulary``, ``batch_first``, ``truncated_bptt_steps``, ``check_finite``.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        Zhang et al. 2024, arXiv:2405.06394: see :class:`memnets.layers.MosaicLayer`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        heads: int = 4,
        **options: Unpack[BlockOptions],
    ):
        check_whole("num_layers", num_layers)
        super().__init__(
            input_size, hidden_size, [MosaicLayer(hidden_size, heads) for _ in range(num_layers)], **options
        )
