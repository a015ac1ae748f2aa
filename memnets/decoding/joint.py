"""From columns to texts: by attention, by CTC, or by both."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..attention.additive import Keys
from ..vision.base import Columns
from .beam import Hypothesis
from .ctc import greedy_decode, log_likelihood, prefix_beam_decode
from .end_columns import line_mask
from .loss import pad_classes
from .rollout import score, search

if TYPE_CHECKING:
    from ..models.text_reader import TextReader

DECODES = ("attention", "ctc", "joint")


class Reading(NamedTuple):
    """What was read of a line.

    Attributes:
        text: in NFC.
        confidence: geometric mean probability of the characters and, where it was reached, of the end: within 0..1.
        weights: ``(L, C)``, where each character was looked for among the C columns of the padded image, zero past
            the line's own (what a row lacks to 1 went to the columns of the end); None where CTC alone has read.
        log_probabilities: of the text and, where it was reached, of its end, by those who were asked: "attention",
            "ctc" (all alignments summed), and for joint decoding both and "joint", their weighted sum.
    """

    text: str
    confidence: float
    weights: Tensor | None
    log_probabilities: Mapping[str, float] | None = None


def read_lines(
    reader: "TextReader",
    line: Columns,
    *,
    decode: str,
    beam_size: int,
    max_length: int | None,
    length_penalty: float,
) -> list[Reading]:
    """See :meth:`TextReader.read`."""
    log_probs = None if decode == "attention" else reader.column_log_probs(line)
    by_columns = [] if log_probs is None else _columns_best(log_probs, line, beam_size, max_length)
    if decode == "ctc":
        assert log_probs is not None
        return _by_ctc(reader, line, log_probs, [texts[0] for texts in by_columns])
    limits = line.counts if max_length is None else torch.full_like(line.counts, max_length)
    assert reader.decoder is not None
    keys = reader.keys(line)
    found = search(reader.decoder, keys, beam_size=beam_size, max_length=limits, length_penalty=length_penalty)
    if log_probs is None:
        return [_best(reader, hypotheses, inside) for hypotheses, inside in zip(found, line_mask(line).cpu())]
    candidates = [[hypothesis.symbols for hypothesis in hypotheses] for hypotheses in found]
    for known, texts in zip(candidates, by_columns):
        known += [text for text in texts if text not in known]
    return _by_both(reader, line, keys, log_probs, candidates)


def _best(reader: "TextReader", hypotheses: list[Hypothesis], inside: Tensor) -> Reading:
    """The first hypothesis; ``inside`` (C,) is True at the line's own columns."""
    best = hypotheses[0]
    weights = torch.zeros(0, len(inside)) if best.record is None else best.record.weights[:, : len(inside)].cpu()
    mean = _mean_probability(best.log_probability, len(best.symbols) + best.finished)
    scores = {"attention": best.log_probability}
    return Reading(reader.symbols.decode(best.symbols), mean, weights * inside, scores)


def _mean_probability(log_probability: float, symbols: int) -> float:
    return math.exp(min(log_probability / max(symbols, 1), 0.0))


def _columns_best(
    log_probs: Tensor, line: Columns, beam_size: int, max_length: int | None
) -> list[list[tuple[int, ...]]]:
    """CTC's best texts of each line, best first, cut to ``max_length``."""
    if beam_size == 1:
        found = [[classes] for classes in greedy_decode(log_probs, line.counts)]
    else:
        beams = prefix_beam_decode(log_probs, line.counts, beam_size=beam_size)
        found = [[classes for classes, _ in beam] for beam in beams]
    return [[classes[:max_length] for classes in texts] for texts in found]


def _likelihoods(log_probs: Tensor, line: Columns, items: Sequence[int], texts: Sequence[Sequence[int]]) -> Tensor:
    """CTC's log-probability (S,) of each text, ``items`` saying of which line."""
    rows = torch.tensor(list(items), device=log_probs.device)
    classes, lengths = pad_classes(texts, rows.device)
    return log_likelihood(log_probs[rows], line.counts[rows], classes, lengths)


def _by_ctc(reader: "TextReader", line: Columns, log_probs: Tensor, texts: list[tuple[int, ...]]) -> list[Reading]:
    totals = _likelihoods(log_probs, line, range(len(texts)), texts).tolist()
    return [
        Reading(reader.symbols.decode(text), _mean_probability(total, len(text)), None, {"ctc": total})
        for text, total in zip(texts, totals)
    ]


def _by_both(
    reader: "TextReader", line: Columns, keys: Keys, log_probs: Tensor, candidates: list[list[tuple[int, ...]]]
) -> list[Reading]:
    """The candidate of each line with the largest ``lambda log p_ctc + (1 - lambda) log p_attention``."""
    assert reader.decoder is not None
    items = [b for b, texts in enumerate(candidates) for _ in texts]
    texts = [text for texts in candidates for text in texts]
    spelled, weights = score(reader.decoder, keys, items, texts)
    aligned = _likelihoods(log_probs, line, items, texts)
    totals = (reader.ctc_weight * aligned + (1 - reader.ctc_weight) * spelled).tolist()
    readings = []
    for b, inside in enumerate(line_mask(line).cpu()):
        best = max((s for s, item in enumerate(items) if item == b), key=lambda s: totals[s])
        length = len(texts[best])
        seen = weights[best, :length, : len(inside)].cpu() * inside
        mean = _mean_probability(totals[best], length + 1)
        scores = {"attention": float(spelled[best]), "ctc": float(aligned[best]), "joint": totals[best]}
        readings.append(Reading(reader.symbols.decode(texts[best]), mean, seen, scores))
    return readings
