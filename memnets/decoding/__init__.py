"""Decoding: symbols from attention and from CTC, taught and free, one by one and by beams."""

from .attention_decoder import AttentionDecoder, DecoderState
from .beam import Hypothesis, beam_search, repeat_for_beams
from .ctc import CTCLoss, ctc_loss, greedy_decode, log_likelihood, prefix_beam_decode
from .joint import Reading
from .loss import column_targets

__all__ = [
    "AttentionDecoder",
    "CTCLoss",
    "DecoderState",
    "Hypothesis",
    "Reading",
    "beam_search",
    "column_targets",
    "ctc_loss",
    "greedy_decode",
    "log_likelihood",
    "prefix_beam_decode",
    "repeat_for_beams",
]
