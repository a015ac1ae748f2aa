"""Decoders: columns to text, grids of features to captions."""

from .attention import AdditiveAttention, Attention, ContextGate, Keys, coverage
from .beam import Hypothesis, beam_search, repeat_for_beams
from .captioner import Caption, Captioner, CaptionerOutput
from .charset import Charset, SymbolChange, Vocabulary
from .ctc import CTCLoss, ctc_loss, greedy_decode, log_likelihood, prefix_beam_decode
from .location import LocationAttention, shift_along
from .loss import column_targets
from .reader import ReaderOutput, TextReader
from .reading import Reading
from .steps import AttentionDecoder, DecoderState

__all__ = [
    "AdditiveAttention",
    "Attention",
    "AttentionDecoder",
    "CTCLoss",
    "Caption",
    "Captioner",
    "CaptionerOutput",
    "Charset",
    "ContextGate",
    "DecoderState",
    "Hypothesis",
    "Keys",
    "LocationAttention",
    "ReaderOutput",
    "Reading",
    "SymbolChange",
    "TextReader",
    "Vocabulary",
    "beam_search",
    "column_targets",
    "coverage",
    "ctc_loss",
    "greedy_decode",
    "log_likelihood",
    "prefix_beam_decode",
    "repeat_for_beams",
    "shift_along",
]
