"""DeltaNet and Gated DeltaNet: blocks around layers of the delta rule."""

import abc
from typing import Unpack

from ..base.checks import check_whole
from ..layers import DeltaLayer
from ..ops import DELTA_CHUNK
from .blocks import BlockNetwork, BlockOptions


class DeltaNetwork(BlockNetwork, abc.ABC):
    """Blocks around :class:`memnets.layers.DeltaLayer`; a subclass says whether memories fade.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: D.
        num_layers: L, blocks.
        heads: H.
        key_width: K; D / H if None.
        value_width: V; D / H if None.
        products: keys that are written a step, one after another. More than one is DeltaProduct (Siems et al. 2025,
            arXiv:2502.10297): with negative eigenvalues, n keys can permute n + 1 things in one step.
        negative_eigenvalues: beta within 0..2 in place of 0..1; without, no parity can be learnt (Grazzi et al. 2024,
            arXiv:2411.12537).
        convolution: steps that the short convolution sees; 1 for the present one alone.
        chunk: keys to compute at once; None takes the steps one by one.
        options: those of :class:`memnets.models.blocks.BlockNetwork`: ``feedforward_size``, ``product_keys``,
            ``dropout``, ``output_size``, ``vocabulary``, ``batch_first``, ``truncated_bptt_steps``, ``check_finite``.

    Raises:
        ValueError: a size below 1, or ``hidden_size`` is no multiple of ``heads``.
    """

    decay: bool

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        heads: int = 4,
        key_width: int | None = None,
        value_width: int | None = None,
        products: int = 1,
        negative_eigenvalues: bool = False,
        convolution: int = 4,
        chunk: int | None = DELTA_CHUNK,
        **options: Unpack[BlockOptions],
    ):
        check_whole("num_layers", num_layers)
        layers = [
            DeltaLayer(
                hidden_size,
                heads,
                key_width=key_width,
                value_width=value_width,
                products=products,
                decay=self.decay,
                negative_eigenvalues=negative_eigenvalues,
                convolution=convolution,
                chunk=chunk,
            )
            for _ in range(num_layers)
        ]
        super().__init__(input_size, hidden_size, layers, **options)


class DeltaNet(DeltaNetwork):
    """DeltaNet, used like ``torch.nn.LSTM`` (but with the batch first): a matrix a head, written by the delta rule.

    >>> model = DeltaNet(input_size=9, hidden_size=64, output_size=8)
    >>> output, state = model(torch.randn(4, 41, 9))  # (4, 41, 8)
    >>> output, state = model(torch.randn(4, 1, 9), state)  # one step more

    All steps of a call are computed at once, in chunks. Arguments as for
    :class:`memnets.models.delta_net.DeltaNetwork`: ``input_size, hidden_size, *, num_layers, heads, key_width,
    value_width, products, negative_eigenvalues, convolution, chunk, **options``.

    Source:
        @inproceedings{yang2024parallelizing, title={Parallelizing Linear Transformers with the Delta Rule over Sequence
        Length}, author={Yang, Songlin and Wang, Bailin and Zhang, Yu and Shen, Yikang and Kim, Yoon},
        booktitle={NeurIPS}, year={2024}}, arXiv:2406.06484.
    """

    decay = False


class GatedDeltaNet(DeltaNetwork):
    """A :class:`DeltaNet` whose memories fade, by a share that each step chooses; arguments as for it.

    Source:
        @inproceedings{yang2025gated, title={Gated Delta Networks: Improving Mamba2 with Delta Rule}, author={Yang,
        Songlin and Kautz, Jan and Hatamizadeh, Ali}, booktitle={ICLR}, year={2025}}, arXiv:2412.06464.
    """

    decay = True
