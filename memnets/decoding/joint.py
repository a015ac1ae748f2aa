"""From columns to texts: by attention, by CTC, or by both."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..attention.additive import Keys
from ..text.charset import Charset
from ..vision.base import Columns
from .attention_decoder import AttentionDecoder
from .beam import Hypothesis, mean_probability
from .ctc import greedy_decode, log_likelihood, prefix_beam_decode
from .end_columns import line_mask
from .loss import pad_classes
from .reading_on import goes_along
from .rollout import score, search

DECODES = ("attention", "ctc", "joint")

SEEN = 0.05
"""Least weight with which a column counts as looked at."""


class Reading(NamedTuple):
    """What was read of a line.

    Attributes:
        text: in NFC and logical order, also where the line is written from the right.
        confidence: geometric mean probability of the characters and, where it was reached, of the end: within 0..1.
            Of a reader that was calibrated about the share of characters that are right, on lines like those it was
            trained on; it says little of images that are no lines.
        weights: ``(L, C)``, where each character was looked for among the C columns of the padded image, zero past
            the line's own (what a row lacks to 1 went to the columns of the end); None where CTC alone has read.
        log_probabilities: of the text and, where it was reached, of its end, by those who were asked: "attention",
            "ctc" (all alignments summed), and for joint decoding both and "joint", their weighted sum.
        read_to: how far along its width the line was read, up to 1: below it where ``max_length`` cut the text, or
            where attention that looks anywhere ("content") wrote the end elsewhere.
    """

    text: str
    confidence: float
    weights: Tensor | None
    log_probabilities: Mapping[str, float] | None = None
    read_to: float = 1.0


class Attending(NamedTuple):
    """An attention decoder and what it looks at: the columns of a batch of lines and their end columns."""

    decoder: AttentionDecoder
    keys: Keys
    ends: int
    """How many of the last places stand for the end of a line."""
    temperature: Tensor | float = 1.0
    """What the scores are divided by."""


def read_by_attention(
    charset: Charset,
    line: Columns,
    attending: Attending,
    *,
    beam_size: int,
    max_length: int | None,
    length_penalty: float,
) -> list[Reading]:
    """The attention decoder's best text of each line.

    Args:
        charset: of the classes.
        line: the columns.
        attending: the decoder on them.
        beam_size: 1 is greedy.
        max_length: characters at most; each line's number of columns if None.
        length_penalty: see :func:`beam_search`.
    """
    found = _search(line, attending, beam_size, max_length, length_penalty)
    along = goes_along(attending.decoder)
    return [_of_best(charset, hypotheses[0], inside, along) for hypotheses, inside in zip(found, line_mask(line).cpu())]


def read_by_ctc(
    charset: Charset,
    lines: Sequence[Columns],
    log_probs: Sequence[Tensor],
    *,
    beam_size: int,
    max_length: int | None,
) -> list[Reading]:
    """Of CTC's best texts at each size of a line the one with the largest mean over sizes of ``p(text | size)``.

    Where a line is shown at several sizes, its own is not known, and each is as likely as the others. Its confidence
    is that of the size at which its text is likeliest.

    Args:
        charset: of the classes.
        lines: the columns, at one size or several.
        log_probs: of each size those of the columns' classes, ``(B, C, V)``.
        beam_size: 1 is greedy.
        max_length: characters at most.
    """
    whole = [
        [texts[0] for texts in _columns_best(own, line, beam_size, None)] for line, own in zip(lines, log_probs)
    ]  # of each size B texts
    texts = [[text[:max_length] for text in own] for own in whole]
    scores = torch.stack([_at_each_size(lines, log_probs, own) for own in texts])  # (texts, sizes, B)
    readings = []
    for b, size in enumerate(scores.logsumexp(1).argmax(0).tolist()):
        text, total = texts[size][b], float(scores[size, :, b].max())
        confidence, read_to = mean_probability(total, len(text)), _share(text, whole[size][b])
        readings.append(Reading(charset.decode(text), confidence, None, {"ctc": total}, read_to))
    return readings


def _at_each_size(lines: Sequence[Columns], log_probs: Sequence[Tensor], texts: Sequence[Sequence[int]]) -> Tensor:
    """The log-probability of each line's text at each size, (sizes, B)."""
    return torch.stack([_likelihoods(own, line, range(len(texts)), texts) for line, own in zip(lines, log_probs)])


def read_by_both(
    charset: Charset,
    line: Columns,
    attending: Attending,
    log_probs: Tensor,
    *,
    ctc_weight: float,
    beam_size: int,
    max_length: int | None,
    length_penalty: float,
) -> list[Reading]:
    """Of the best texts of either, the one with the largest ``lambda log p_ctc + (1 - lambda) log p_attention``.

    Args:
        charset: of the classes.
        line: the columns.
        attending: the decoder on them.
        log_probs: CTC's, ``(B, C, V)``.
        ctc_weight: lambda.
        beam_size: texts of each of the two; 1 is greedy.
        max_length: characters at most.
        length_penalty: see :func:`beam_search`.
    """
    found = _search(line, attending, beam_size, max_length, length_penalty)
    candidates = [[hypothesis.symbols for hypothesis in hypotheses] for hypotheses in found]
    by_columns = _columns_best(log_probs, line, beam_size, None)
    whole = [texts[0] for texts in by_columns]
    for known, texts in zip(candidates, by_columns):
        known += [text[:max_length] for text in texts if text[:max_length] not in known]
    items = [b for b, texts in enumerate(candidates) for _ in texts]
    texts = [text for texts in candidates for text in texts]
    spelled, weights = score(*attending[:2], items, texts, ends=attending.ends, temperature=attending.temperature)
    aligned = _likelihoods(log_probs, line, items, texts)
    totals = (ctc_weight * aligned + (1 - ctc_weight) * spelled).tolist()
    readings = []
    for b, inside in enumerate(line_mask(line).cpu()):
        best = max((s for s, item in enumerate(items) if item == b), key=lambda s: totals[s])
        length = len(texts[best])
        seen = weights[best, :length, : len(inside)].cpu() * inside
        mean = mean_probability(totals[best], length + 1)
        scores = {"attention": float(spelled[best]), "ctc": float(aligned[best]), "joint": totals[best]}
        read_to = 1.0 if goes_along(attending.decoder) else _furthest(seen, inside)
        if length == max_length:
            read_to *= min(1.0, _share(texts[best], whole[b]))
        seen = _by_character(charset, texts[best], seen)
        readings.append(Reading(charset.decode(texts[best]), mean, seen, scores, read_to))
    return readings


def _search(
    line: Columns, attending: Attending, beam_size: int, max_length: int | None, length_penalty: float
) -> list[list[Hypothesis]]:
    limits = line.counts if max_length is None else torch.full_like(line.counts, max_length)
    settings: Any = {"ends": attending.ends, "temperature": attending.temperature}
    settings |= {"beam_size": beam_size, "max_length": limits, "length_penalty": length_penalty}
    return search(attending.decoder, attending.keys, **settings)


def _of_best(charset: Charset, best: Hypothesis, inside: Tensor, along: bool) -> Reading:
    """A hypothesis as a reading; ``inside`` (C,) is True at the line's own columns; attention may go ``along`` it."""
    weights = torch.zeros(0, len(inside)) if best.record is None else best.record.weights[:, : len(inside)].cpu()
    mean = mean_probability(best.log_probability, len(best.symbols) + best.finished)
    read_to = 1.0 if along and best.finished else _furthest(weights, inside)
    weights = _by_character(charset, best.symbols, weights * inside)
    return Reading(charset.decode(best.symbols), mean, weights, {"attention": best.log_probability}, read_to)


def _furthest(weights: Tensor, inside: Tensor) -> float:
    """Where in the line the last of the columns lies that were looked at (L, C), from 0 to 1."""
    looked = ((weights >= SEEN).any(0) & inside).nonzero()
    return (int(looked.max()) + 1) / int(inside.sum()) if len(looked) else 0.0


def _by_character(charset: Charset, symbols: Sequence[int], weights: Tensor) -> Tensor:
    """Weights (symbols, C), from the left, as those of the characters of the text (L, C), the mean of composed ones."""
    places = charset.decoded_places(symbols)
    if all(place == [n] for n, place in enumerate(places)):
        return weights
    return torch.stack([weights[place].mean(0) for place in places])


def _share(text: Sequence[int], whole: Sequence[int]) -> float:
    return len(text) / len(whole) if whole else 1.0


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
