"""Beam search over any step function."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..base.checks import check_whole
from ..base.state import index_state, map_state, state_tensors

BeamStep = Callable[[Tensor, Any], tuple[Tensor, Any, Any]]
"""Last symbols (B*K,) and a state to log-probabilities (B*K, V), the next state, and a record or None.

State and record are NamedTuples of tensors with the B*K beams first, item by item."""

MOST_PENALTY = 5
"""Beyond it a length raised to it overflows, and all sequences of some length would compare alike."""


class Hypothesis(NamedTuple):
    """One sequence found.

    Attributes:
        symbols: without start and end.
        log_probability: of the symbols, and of the end if it was reached.
        finished: whether the end was reached within the length allowed.
        record: what the steps recorded, stacked: tensors (L, ...), the step of the end left out; None without.
    """

    symbols: tuple[int, ...]
    log_probability: float
    finished: bool
    record: Any

    @property
    def confidence(self) -> float:
        """Geometric mean probability of the symbols and, where it was reached, of the end: within 0..1."""
        return mean_probability(self.log_probability, len(self.symbols) + self.finished)


def mean_probability(log_probability: float, symbols: int) -> float:
    """Geometric mean of the probabilities of so many symbols, of which the log-probability is the sum."""
    return math.exp(min(log_probability / max(symbols, 1), 0.0))


class _Beams(NamedTuple):
    """Totals (B, K) of the beams: log-probability, symbols so far (the end counted), whether ended, last symbol."""

    log_probability: Tensor
    length: Tensor
    finished: Tensor
    symbol: Tensor


class _Moves(NamedTuple):
    """One step of all beams (B, K): whom each came from, its symbol and total; and the record (B*K, ...) of whom."""

    parent: Tensor
    symbol: Tensor
    log_probability: Tensor
    record: Any


@torch.no_grad()
def beam_search(
    step: BeamStep,
    state: Any,
    batch_size: int,
    *,
    beam_size: int = 1,
    max_length: int | Tensor = 30,
    length_penalty: float = 0.0,
    start: int = 0,
    end: int = 0,
) -> list[list[Hypothesis]]:
    """The best sequences of each item; a beam of 1 takes the likeliest symbol each time (greedy).

    Sequences are compared by ``log_probability / length ** length_penalty``, the end counted in the length. One
    that has ended keeps its place in the beam until a better one takes it. There is always a result: an item
    where none ended gives those that did not, marked so.

    Args:
        step: the model; see :data:`BeamStep`.
        state: its first state, the batch repeated for the beams (:func:`repeat_for_beams`).
        batch_size: B.
        beam_size: K.
        max_length: symbols allowed, the end not counted; one number, or (B,) integers of at least 1.
        length_penalty: 0 compares probabilities, which favours short ones; 1 compares means; at most 5.
        start: the symbol before the first.
        end: the symbol that ends a sequence.

    Returns:
        For each item its hypotheses, no two alike, at least 1 and at most K: finished ones first, then best first.

    Raises:
        ValueError: a size below 1, or a ``length_penalty`` out of range.
    """
    check_whole("beam_size", beam_size)
    check_whole("batch_size", batch_size)
    if not 0 <= length_penalty <= MOST_PENALTY:
        raise ValueError(f"length_penalty is {length_penalty}, but must lie within 0..{MOST_PENALTY}")
    device = state_tensors(state)[0].device
    limits = _limits(max_length, batch_size).to(device)
    last_steps = set(limits.tolist())
    shape = (batch_size, beam_size)
    scores = torch.full(shape, -torch.inf, device=device)
    scores[:, 0] = 0  # the beams start alike: one of them counts
    whole = torch.zeros(shape, dtype=torch.long, device=device)
    beams = _Beams(scores, whole, torch.zeros(shape, dtype=torch.bool, device=device), whole + start)
    offset = torch.arange(batch_size, device=device).unsqueeze(1) * beam_size  # (B, 1)
    trail: list[_Moves] = []
    for t in range(int(limits.max()) + 1):
        log_probs, state, record = step(beams.symbol.flatten(), state)
        log_probs = log_probs.float().unflatten(0, shape)  # (B, K, V)
        if t in last_steps:
            log_probs = _end_or_cut(log_probs, limits == t, end)
        over = (t > limits).unsqueeze(1)  # (B, 1): the item is past its limit and stays as it is
        beams, parent = _advance(beams, log_probs, over, length_penalty, end)
        source = (parent + offset).flatten()
        state = index_state(state, source)
        trail.append(_Moves(parent, beams.symbol, beams.log_probability, record))
        if bool((beams.finished | over | beams.log_probability.isneginf()).all()):
            break
    return _collect(beams, trail, length_penalty, end, limits)


def repeat_for_beams(state: Any, beam_size: int) -> Any:
    """A state with each item of the batch ``beam_size`` times in a row."""
    return map_state(lambda tensor: tensor.repeat_interleave(beam_size, 0), state)


def _limits(max_length: int | Tensor, batch_size: int) -> Tensor:
    limits = max_length if isinstance(max_length, Tensor) else torch.full((batch_size,), max_length)
    if limits.shape != (batch_size,):
        raise ValueError(f"max_length has shape {tuple(limits.shape)}, but must be a number or ({batch_size},)")
    if int(limits.min()) < 1:
        raise ValueError(f"max_length is {int(limits.min())}, but must be at least 1")
    return limits


def _penalised(log_probability: Tensor, length: Tensor, length_penalty: float) -> Tensor:
    return log_probability / length.clamp(min=1).to(log_probability.dtype) ** length_penalty


def _end_or_cut(log_probs: Tensor, at_limit: Tensor, end: int) -> Tensor:
    """At its limit an item (B,) can end, or be cut off: of the symbols (B, K, V) that go on, one stands for all."""
    going_on = log_probs.clone()
    going_on[..., end] = -torch.inf
    best = torch.zeros_like(log_probs, dtype=torch.bool).scatter(2, going_on.argmax(2, keepdim=True), True)
    best[..., end] = True
    return log_probs.masked_fill(~best & at_limit[:, None, None], -torch.inf)


def _advance(beams: _Beams, log_probs: Tensor, over: Tensor, length_penalty: float, end: int) -> tuple[_Beams, Tensor]:
    """The best K of all continuations, and the beam (B, K) that each continues."""
    beam_size, symbols = log_probs.shape[1:]
    closed = beams.finished | over
    stay = torch.full_like(log_probs[0, 0], -torch.inf)
    stay[end] = 0
    log_probs = torch.where(closed.unsqueeze(-1), stay, log_probs)
    totals = beams.log_probability.unsqueeze(-1) + log_probs  # (B, K, V)
    lengths = beams.length + ~closed
    ranked = _penalised(totals, lengths.unsqueeze(-1), length_penalty)
    best = ranked.flatten(1).topk(beam_size, dim=1).indices  # (B, K)
    parent, symbol = best // symbols, best % symbols
    was_closed = closed.gather(1, parent)
    finished = torch.where(was_closed, beams.finished.gather(1, parent), symbol == end)
    total = totals.flatten(1).gather(1, best)
    return _Beams(total, lengths.gather(1, parent), finished, symbol), parent


def _collect(
    beams: _Beams, trail: list[_Moves], length_penalty: float, end: int, limits: Tensor
) -> list[list[Hypothesis]]:
    """The hypotheses of each item, finished ones first, then best first."""
    scores = _penalised(beams.log_probability, beams.length, length_penalty)
    order = torch.where(beams.finished, scores, -torch.inf).nan_to_num(neginf=-1e30)
    found = []
    for b, limit in enumerate(limits.tolist()):
        ranked = sorted(range(scores.shape[1]), key=lambda k: (-float(order[b, k]), -float(scores[b, k])))
        real = [k for k in ranked if not scores[b, k].isneginf()] or ranked[:1]
        once: dict[tuple[int, ...], Hypothesis] = {}
        for k in real:
            hypothesis = _trace(beams, trail, b, k, limit, end)
            once.setdefault(hypothesis.symbols, hypothesis)  # the same may have ended, and have been cut off
        found.append(sorted(once.values(), key=lambda h: (not h.finished, -_own_score(h, length_penalty))))
    return found


def _own_score(hypothesis: Hypothesis, length_penalty: float) -> float:
    """As the search has it, but without the symbol past the limit of one that was cut off there."""
    return hypothesis.log_probability / max(len(hypothesis.symbols) + hypothesis.finished, 1) ** length_penalty


def _trace(beams: _Beams, trail: list[_Moves], b: int, k: int, limit: int, end: int) -> Hypothesis:
    """One beam from its last step back to its first."""
    finished, total = bool(beams.finished[b, k]), float(beams.log_probability[b, k])
    symbols: list[int] = []
    records: list[Any] = []
    for t in range(len(trail) - 1, -1, -1):
        moves = trail[t]
        symbol, parent = int(moves.symbol[b, k]), int(moves.parent[b, k])
        if symbol != end and t < limit:
            if not finished and t == limit - 1:
                total = float(moves.log_probability[b, k])  # without the symbol past the limit
            symbols.append(symbol)
            if moves.record is not None:
                row = b * beams.symbol.shape[1] + parent
                records.append(map_state(lambda tensor, row=row: tensor[row], moves.record))
        k = parent
    symbols.reverse()
    record = _stack(records[::-1]) if records else None
    return Hypothesis(tuple(symbols), total, finished, record)


def _stack(records: list[Any]) -> Any:
    parts = [torch.stack(tensors) for tensors in zip(*records)]  # (L, ...) each
    return type(records[0])(*parts)
