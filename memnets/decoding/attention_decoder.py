"""One step of a decoder that looks before it writes: cell, attention, gate, deep output."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..attention.additive import Attention, ContextGate, Keys, context
from ..base.checks import check_whole
from ..base.modes import check_share
from ..base.state_types import known_state
from .cells import Cell, StateFrom, choose_state, make_cell


@known_state
class DecoderState(NamedTuple):
    """State of a decoder: its cell's, the last ``context (B, D)``, and ``weights (B, N)``.

    The weights are the last weighting, or what else the attention carries on: of :class:`CoverageAttention` their sum.
    """

    cell: Any
    context: Tensor
    weights: Tensor


class Step(NamedTuple):
    """What one step gives: ``logits (B, V)``, ``weights (B, N)`` and ``gate (B, 1)``, 1 where there is none."""

    logits: Tensor
    weights: Tensor
    gate: Tensor


class AttentionDecoder(nn.Module):
    """Symbols one after another, each after a look at the features.

    A step runs the cell on the last symbol and the last context, then attends from the cell's output, then scores
    the symbols by ``L_o tanh(E y + L_h h + L_z z)`` (Xu et al. 2015, equation 7, with its usual tanh). Symbol 0 is
    the start on the way in and the end on the way out.

    Args:
        symbols: V, symbols, the one for start and end included.
        attention: over the features; made for queries of the cell's output size.
        cell: as from :func:`make_cell`, for inputs of ``embedding_size + feature_size`` (``feature_size`` alone
            with ``context_only``).
        feature_size: D.
        embedding_size: units of a symbol's embedding and of the output layer.
        gate: scale each context by :class:`ContextGate`.
        context_only: no symbol is fed back: the cell and the output see the features alone.
        feedback_size: the cell is given this many of the last features of the last context, before the gate; None
            for all of it, after the gate.
        start_from_mean: the cell's first state comes from the mean of the features (:class:`StateFrom`).
        dropout: of the output layer.
        restart: while training, the probability at each step that the cell starts anew, so that what it does does
            not hang on how many steps there were.

    Raises:
        ValueError: ``dropout`` or ``restart`` is out of range.
    """

    def __init__(
        self,
        symbols: int,
        attention: Attention,
        cell: Any,
        *,
        feature_size: int,
        embedding_size: int,
        gate: bool = False,
        context_only: bool = False,
        feedback_size: int | None = None,
        start_from_mean: bool = False,
        dropout: float = 0.0,
        restart: float = 0.0,
    ):
        super().__init__()
        check_share("restart", restart)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}, but must be at least 0 and below 1")
        size: int = cell.output_size
        self.cell = cell
        self.attention = attention
        self.gate = ContextGate(size) if gate else None
        self.embedding = None if context_only else nn.Embedding(symbols, embedding_size)
        self.start = StateFrom(cell, feature_size) if start_from_mean else None
        self.of_hidden = nn.Linear(size, embedding_size)
        self.of_context = nn.Linear(feature_size, embedding_size, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.restart = restart
        self.feedback_size = feedback_size
        self.output = nn.Linear(embedding_size, symbols)

    def initial_state(self, keys: Keys) -> DecoderState:
        """The state before the first symbol."""
        weights = self.attention.initial_weights(keys)
        return DecoderState(self._cell_state(keys), context(weights, keys.features), weights)

    def _cell_state(self, keys: Keys) -> Any:
        features = keys.features
        cell = self.cell.initial_state(features.shape[0], device=features.device, dtype=features.dtype)
        if self.start is None:
            return cell
        valid = keys.mask.unsqueeze(-1).to(features.dtype)
        return self.start((features * valid).sum(1) / valid.sum(1), cell)

    def _restarted(self, keys: Keys, cell: Any) -> Any:
        """The cell's state, anew for some sequences."""
        anew = torch.rand(len(keys.features), device=keys.features.device) < self.restart
        return choose_state(anew, self._cell_state(keys), cell)

    def forward(self, symbols: Tensor, keys: Keys, state: DecoderState) -> tuple[Step, DecoderState]:
        """One step: the last symbols (B,), int64, 0 at the start, to scores of the next."""
        embedded = None if self.embedding is None else self.embedding(symbols)
        seen = state.context if self.feedback_size is None else state.context[:, -self.feedback_size :]
        x = seen if embedded is None else torch.cat([embedded, seen], dim=1)
        last = self._restarted(keys, state.cell) if self.training and self.restart else state.cell
        h, cell = self.cell(x, last)
        weights = self.attention(h, keys, state.weights)
        looked = context(weights, keys.features)
        beta = looked.new_ones(looked.shape[0], 1) if self.gate is None else self.gate(h)
        z = beta * looked
        deep = self.of_hidden(h) + self.of_context(z)
        deep = torch.tanh(deep if embedded is None else deep + embedded)
        return Step(self.output(self.dropout(deep)), weights, beta), DecoderState(
            cell, z if self.feedback_size is None else looked, self.attention.carry(state.weights, weights)
        )


def make_decoder(
    symbols: int,
    make_attention: Any,
    *,
    cell: Cell,
    feature_size: int,
    hidden_size: int,
    embedding_size: int,
    slots: int,
    width: int,
    context_only: bool = False,
    feedback_size: int | None = None,
    **settings: Any,
) -> AttentionDecoder:
    """A decoder and its cell; ``make_attention`` gives the attention for a size of queries."""
    check_whole("embedding_size", embedding_size)
    inputs = (feedback_size or feature_size) + (0 if context_only else embedding_size)
    driver = make_cell(cell, inputs, hidden_size, slots=slots, width=width)
    return AttentionDecoder(
        symbols,
        make_attention(driver.output_size),
        driver,
        feature_size=feature_size,
        embedding_size=embedding_size,
        context_only=context_only,
        feedback_size=feedback_size,
        **settings,
    )
