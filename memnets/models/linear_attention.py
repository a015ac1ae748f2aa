"""A Transformer whose attention is linear."""

from typing import Unpack

from ..base.checks import check_whole
from ..layers import LinearAttentionLayer
from ..ops import DELTA_CHUNK
from .blocks import BlockNetwork, BlockOptions


class LinearAttention(BlockNetwork):
    """Blocks of linear attention, used like ``torch.nn.LSTM`` (but with the batch first).

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: D.
        num_layers: L, blocks.
        heads: H.
        chunk: steps to compute at once; None takes them one by one.
        options: those of :class:`memnets.models.blocks.BlockNetwork`: ``feedforward_size``, ``product_keys``,
            ``dropout``, ``output_size``, ``vocabulary``, ``batch_first``, ``truncated_bptt_steps``, ``check_finite``.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.

    Source:
        @inproceedings{katharopoulos2020transformers, title={Transformers are RNNs: Fast Autoregressive Transformers
        with Linear Attention}, author={Katharopoulos, Angelos and Vyas, Apoorv and Pappas, Nikolaos and Fleuret,
        Francois}, booktitle={ICML}, year={2020}}, arXiv:2006.16236.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        heads: int = 4,
        chunk: int | None = DELTA_CHUNK,
        **options: Unpack[BlockOptions],
    ):
        check_whole("num_layers", num_layers)
        layers = [LinearAttentionLayer(hidden_size, heads, chunk=chunk) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers, **options)
