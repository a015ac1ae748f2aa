"""The causal Transformer, as a baseline."""

from typing import Unpack

from ..base.checks import check_whole
from ..layers import AttentionLayer
from .blocks import BlockNetwork, BlockOptions


class Transformer(BlockNetwork):
    """Blocks of causal attention, used like ``torch.nn.LSTM`` (but with the batch first).

    The state keeps the keys and values of every step so far, and grows by a slot a step; time grows with the square of
    the steps.

    >>> model = Transformer(16, 64, vocabulary=100, output_size=100, num_layers=2)
    >>> logits, state = model(torch.randint(100, (4, 20)))  # (4, 20, 100)
    >>> logits, state = model(torch.randint(100, (4, 1)), state)  # one token more

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: D.
        num_layers: L, blocks.
        heads: H.
        positions: how a step's place enters: "none", "sinusoidal" (added to the inputs of each layer), "rotary" or
            "alibi".
        options: those of :class:`memnets.models.blocks.BlockNetwork`: ``feedforward_size``, ``product_keys``,
            ``dropout``, ``output_size``, ``vocabulary``, ``batch_first``, ``truncated_bptt_steps``, ``check_finite``.

    Raises:
        ValueError: a size below 1, ``hidden_size`` is no multiple of ``heads``, or unknown positions.

    Source:
        @inproceedings{vaswani2017attention, title={Attention Is All You Need}, author={Vaswani, Ashish and others},
        booktitle={NeurIPS}, year={2017}}, arXiv:1706.03762, with norms before layers and RMS norms.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        heads: int = 4,
        positions: str = "rotary",
        **options: Unpack[BlockOptions],
    ):
        check_whole("num_layers", num_layers)
        layers = [AttentionLayer(hidden_size, heads, positions=positions) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers, **options)
