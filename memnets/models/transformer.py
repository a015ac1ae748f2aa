"""The causal Transformer, as a baseline."""

from typing import Any, Unpack

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..base.checks import check_whole
from ..layers import AttentionLayer
from ..layers.positions import draw_places
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
        randomized: L, for positions that are not counted but drawn, as many of L in order as a sequence has steps, so
            that those of longer ones were seen too: in training anew at each call, the same for all sequences and
            blocks; in evaluation the same for each length of a sequence. Such a model takes whole sequences alone. None
            counts.
        options: those of :class:`memnets.models.blocks.BlockNetwork`: ``feedforward_size``, ``product_keys``,
            ``dropout``, ``output_size``, ``vocabulary``, ``batch_first``, ``truncated_bptt_steps``, ``check_finite``.

    Raises:
        ValueError: a size below 1, ``hidden_size`` is no multiple of ``heads``, or unknown positions.

    With ``randomized``, calls raise ValueError for more than L steps and for a state that has some already.

    Source:
        @inproceedings{vaswani2017attention, title={Attention Is All You Need}, author={Vaswani, Ashish and others},
        booktitle={NeurIPS}, year={2017}}, arXiv:1706.03762, with norms before layers and RMS norms;
        ``randomized``: Ruoss et al. 2023, arXiv:2305.16843.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        heads: int = 4,
        positions: str = "rotary",
        randomized: int | None = None,
        **options: Unpack[BlockOptions],
    ):
        check_whole("num_layers", num_layers)
        if randomized is not None:
            check_whole("randomized", randomized)
            if positions == "none":
                raise ValueError(
                    f"randomized is {randomized}, but positions is 'none': choose sinusoidal, rotary or alibi"
                )
        self.randomized = randomized
        layers = [AttentionLayer(hidden_size, heads, positions=positions) for _ in range(num_layers)]
        super().__init__(input_size, hidden_size, layers, **options)

    def _run(self, inputs: Tensor, state: Any, lengths: Tensor | None, **given: Any) -> tuple[Tensor, Any]:
        if self.randomized is None:
            return super()._run(inputs, state, lengths, **given)
        if state.keys.shape[2]:
            raise ValueError(
                f"state has {state.keys.shape[2]} steps, but with randomized={self.randomized} places are drawn for "
                "whole sequences: pass state=None and all steps at once, without truncated_bptt_steps"
            )
        return super()._run(inputs, state, lengths, places=self._draw(inputs, lengths))

    def _draw(self, inputs: Tensor, lengths: Tensor | None) -> Tensor:
        """Places ``(1, T)``; in evaluation with lengths ``(B, T)``, as padding changes nothing there."""
        longest, steps, device = self.randomized or 0, inputs.shape[1], inputs.device
        if self.training or lengths is None:
            return draw_places(steps, longest, seed=None if self.training else steps, device=device)
        rows = [draw_places(n, longest, seed=n, device=device)[0] for n in lengths.tolist()]
        return torch.stack([pad(row, (0, steps - len(row)), value=longest) for row in rows])
