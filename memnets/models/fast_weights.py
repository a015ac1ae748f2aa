"""A recurrent network with fast weights."""

from typing import Unpack

from ..layers.fast_weights import FastWeightsCell
from ..recurrent.unroll import Recurrent, RecurrentOptions


class FastWeights(Recurrent):
    """Fast weights, used like ``torch.nn.LSTM`` (but with the batch first): a ReLU network that attends to its past.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: H.
        inner_steps: S, how often the hidden state is settled a step.
        decay: lambda, what is left of the fast weights after a step.
        rate: eta, how strongly a hidden state is written.
        options: those of :class:`memnets.Recurrent`: ``output_size``, ``vocabulary``, ``batch_first``, ``backend``,
            ``truncated_bptt_steps``, ``checkpoint_every``, ``check_finite``, ``bidirectional``.

    Raises:
        ValueError: a size below 1.

    Source:
        @inproceedings{ba2016using, title={Using Fast Weights to Attend to the Recent Past}, author={Ba, Jimmy and
        Hinton, Geoffrey and Mnih, Volodymyr and Leibo, Joel Z. and Ionescu, Catalin}, booktitle={NIPS}, year={2016}},
        arXiv:1610.06258.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        inner_steps: int = 1,
        decay: float = 0.95,
        rate: float = 0.5,
        **options: Unpack[RecurrentOptions],
    ):
        def make_cell() -> FastWeightsCell:
            return FastWeightsCell(input_size, hidden_size, inner_steps=inner_steps, decay=decay, rate=rate)

        super().__init__(make_cell, **options)
