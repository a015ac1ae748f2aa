"""An attention decoder over whole sequences: taught, searched, and scored."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..attention.additive import Keys
from ..base.state import index_state
from .attention_decoder import AttentionDecoder, DecoderState
from .beam import Hypothesis, beam_search, repeat_for_beams
from .loss import IGNORED, inputs_of, pad_classes, with_end
from .reading_on import goes_along, read_on


class Rollout(NamedTuple):
    """A decoder's steps over whole sequences: ``logits (B, T, V)``, ``weights (B, T, N)``, ``gates (B, T)``."""

    logits: Tensor
    weights: Tensor
    gates: Tensor


class Look(NamedTuple):
    """Where a step looked: ``weights (B, N)`` and ``gate (B, 1)``; stacked over the steps in a hypothesis."""

    weights: Tensor
    gate: Tensor


def teach(
    decoder: AttentionDecoder, keys: Keys, targets: Tensor, *, sampling: float = 0.0, ends: int | None = None
) -> Rollout:
    """Run a decoder on the symbols it should have written (teacher forcing).

    Args:
        decoder: the decoder.
        keys: what it attends to.
        targets: ``(B, T)``, the end included, -100 past it.
        sampling: the probability of feeding a symbol that the decoder draws itself in place of the right one
            (scheduled sampling, Bengio et al. 2015, arXiv:1506.03099), so that it learns to go on after an error.
        ends: as in :func:`search`.
    """
    given = inputs_of(targets)
    state = decoder.initial_state(keys)
    steps = []
    for t in range(targets.shape[1]):
        symbols = given[:, t]
        if sampling and steps:
            drawn = torch.multinomial(steps[-1].logits.detach().float().softmax(1), 1).squeeze(1)
            own = torch.rand(len(symbols), device=symbols.device) < sampling
            symbols = torch.where(own, drawn, symbols)
        step, state = decoder(symbols, keys, state)
        if ends is not None and goes_along(decoder):
            step, state, _ = read_on(decoder, keys, step, state, ends)
        steps.append(step)
    logits, weights, gates = (torch.stack(parts, 1) for parts in zip(*steps))
    return Rollout(logits, weights, gates.squeeze(2))


def search(
    decoder: AttentionDecoder,
    keys: Keys,
    *,
    beam_size: int,
    max_length: int | Tensor,
    length_penalty: float,
    forbidden: Sequence[int] = (),
    ends: int | None = None,
    temperature: Tensor | float = 1.0,
) -> list[list[Hypothesis]]:
    """Beam search with a decoder that is fed what it writes; each record is a :class:`Look` of stacked steps.

    Args:
        decoder: the decoder.
        keys: what it attends to.
        beam_size: K, at least 1 (greedy).
        max_length: symbols; one number, or (B,).
        length_penalty: see :func:`beam_search`.
        forbidden: symbols it must not write.
        ends: how many of the last places stand for the end of a line. Attention that goes along the line has to have
            come there before the end may be written (:func:`read_on`); None where any step may write it.
        temperature: what the logits are divided by.
    """
    spread = repeat_for_beams(keys, max(beam_size, 1))

    def step(symbols: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Look]:
        done, state = decoder(symbols, spread, state)
        reached = None
        if ends is not None and goes_along(decoder):
            done, state, reached = read_on(decoder, spread, done, state, ends)
        logits = done.logits.float() / temperature
        logits[:, list(forbidden)] = -torch.inf
        log_probs = F.log_softmax(logits, 1)
        if reached is not None:  # and not before, as what goes on is no more likely for it
            log_probs[:, 0] = log_probs[:, 0].masked_fill(~reached, -torch.inf)
        return log_probs, state, Look(done.weights, done.gate)

    with torch.no_grad():
        return beam_search(
            step,
            decoder.initial_state(spread),
            len(keys.mask),
            beam_size=beam_size,
            max_length=max_length,
            length_penalty=length_penalty,
        )


def score(
    decoder: AttentionDecoder,
    keys: Keys,
    items: Sequence[int],
    sequences: Sequence[Sequence[int]],
    *,
    ends: int | None = None,
    temperature: Tensor | float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Log-probability (S,) of given sequences, their ends included, and the weights (S, T, N) of each step.

    Args:
        decoder: the decoder.
        keys: of a batch.
        items: which of the batch each sequence belongs to.
        sequences: S lists of symbols, without the end.
        ends: as in :func:`search`.
        temperature: as in :func:`search`.
    """
    rows = torch.tensor(list(items), device=keys.mask.device)
    targets = with_end(*pad_classes(sequences, keys.mask.device))
    rollout = teach(decoder, index_state(keys, rows), targets, ends=ends)
    log_probs = F.log_softmax(rollout.logits.float() / temperature, 2)
    each = log_probs.gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2)  # (S, T)
    return each.masked_fill(targets == IGNORED, 0).sum(1), rollout.weights
