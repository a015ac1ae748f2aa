"""An end is believed where the end of the line has been reached; before it, reading goes on further along the line."""

import torch
from torch import Tensor

from ..attention.additive import Keys, context
from ..attention.location import LocationAttention
from .attention_decoder import AttentionDecoder, DecoderState, Step
from .cells import choose_state

REACHED = 0.1
"""Least weight on the columns of the end where the end is written."""


def goes_along(decoder: AttentionDecoder) -> bool:
    """Whether a decoder's attention goes along the line, so that it can be seen how far it has come."""
    return isinstance(decoder.attention, LocationAttention)


def at_end(weights: Tensor, keys: Keys, ends: int) -> Tensor:
    """Whether a look (B, N) lies on the last ``ends`` of the valid places, which stand for the end: (B,)."""
    counts = keys.mask.sum(1, keepdim=True)
    place = torch.arange(weights.shape[1], device=weights.device)
    return (weights * ((place >= counts - ends) & (place < counts))).sum(1) >= REACHED


def read_on(
    decoder: AttentionDecoder, keys: Keys, done: Step, state: DecoderState, ends: int
) -> tuple[Step, DecoderState, Tensor]:
    """Where a step would write the end too early, take it again from further on, as at the start of a line.

    A gap that is wider than those of training looks like an end. What stands behind it is read as a line of its own:
    the cell starts anew, a little ahead of where it last looked, until there is something to be read or the end of the
    line is reached.

    Args:
        decoder: of an attention along the line.
        keys: what it attends to, B of them.
        done: the step.
        state: after it.
        ends: columns of the end.

    Returns:
        The step and the state after it, and where the end may be written, (B,).
    """
    attention = decoder.attention
    assert isinstance(attention, LocationAttention)
    stride = max(1, (attention.shifts - 1 - attention.shift_back) // 2)
    last = keys.mask.sum(1) - ends  # the first of the columns of the end
    place = torch.minimum(done.weights.argmax(1), last - 1)
    while True:
        reached = at_end(done.weights, keys, ends) | (place >= last)
        early = (done.logits.argmax(1) == 0) & ~reached
        if not bool(early.any()):
            return done, state, reached
        place = torch.where(
            early, torch.minimum(torch.maximum(place + stride, done.weights.argmax(1) + 1), last), place
        )
        other, after = decoder(torch.zeros_like(place), keys, _from_place(decoder, keys, place))
        done = Step(*(torch.where(early.unsqueeze(1), new, old) for new, old in zip(other, done)))
        state = choose_state(early, after, state)


def _from_place(decoder: AttentionDecoder, keys: Keys, place: Tensor) -> DecoderState:
    """The state of a line that starts at a place (B,)."""
    first = decoder.initial_state(keys)
    weights = torch.zeros_like(first.weights).scatter(1, place.unsqueeze(1), 1.0)
    return first._replace(weights=weights, context=context(weights, keys.features))
