"""Connectionist temporal classification (Graves et al. 2006): one class a column, blanks and repeats taken out.

Class 0 is the blank; log-probabilities are (B, C, V), batch first.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base.checks import check_whole
from ..vision.base import column_mask

BLANK = 0


def column_log_probs(scores: Tensor) -> Tensor:
    """Log-probabilities ``(B, C, V)`` of each column's class from scores ``(B, C, V)``, in float32 at least."""
    return torch.log_softmax(scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores, dim=2)


class CTCLoss(NamedTuple):
    """``loss``, the mean over the characters of feasible lines (0 if there is none), and ``infeasible``, a count."""

    loss: Tensor
    infeasible: Tensor


def needed_columns(targets: Tensor, lengths: Tensor) -> Tensor:
    """The fewest columns (B,) that can spell each target: its length, and a blank between equal neighbours."""
    inside = column_mask(lengths, targets.shape[1])
    equal = (targets[:, 1:] == targets[:, :-1]) & inside[:, 1:]
    return lengths + equal.sum(1)


def log_likelihood(log_probs: Tensor, counts: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """``log p(target | line)`` (B,): all alignments summed; minus infinity where there are too few columns.

    Args:
        log_probs: ``(B, C, V)``.
        counts: ``(B,)``, valid columns.
        targets: ``(B, L)``, classes 1..V-1; anything past ``lengths``.
        lengths: ``(B,)``.

    Source:
        Graves et al. 2006, equations 3 to 8.
    """
    result = log_probs.new_full((len(log_probs),), -torch.inf)
    rows = (counts >= needed_columns(targets, lengths)).nonzero().squeeze(1)
    if not len(rows):
        return result
    targets = targets.masked_fill(~column_mask(lengths, targets.shape[1]), 1)
    loss = F.ctc_loss(
        log_probs[rows].transpose(0, 1), targets[rows], counts[rows], lengths[rows], blank=BLANK, reduction="none"
    )
    return result.index_copy(0, rows, -loss)


def ctc_loss(log_probs: Tensor, counts: Tensor, targets: Tensor, lengths: Tensor) -> CTCLoss:
    """Minus the log-likelihood a character, over the lines that have enough columns for their text.

    The others have no alignment and an infinite loss. They are left out, and counted: a loss that sets them to
    zero in silence looks like one that learns.

    Args:
        log_probs: ``(B, C, V)``.
        counts: ``(B,)``, valid columns.
        targets: ``(B, L)``, classes 1..V-1; anything past ``lengths``.
        lengths: ``(B,)``.
    """
    likelihood = log_likelihood(log_probs, counts, targets, lengths)
    feasible = counts >= needed_columns(targets, lengths)
    total = -torch.where(feasible, likelihood, 0).sum()
    characters = (lengths * feasible).sum().clamp(min=1)
    loss = total / characters if bool(feasible.any()) else log_probs.sum() * 0
    return CTCLoss(loss, (~feasible).sum())


def greedy_decode(log_probs: Tensor, counts: Tensor) -> list[tuple[int, ...]]:
    """The likeliest class of each column, repeats merged, blanks taken out; one tuple of classes a line."""
    best = log_probs.argmax(2)  # (B, C)
    before = F.pad(best, (1, 0), value=BLANK)[:, :-1]
    keep = (best != BLANK) & (best != before) & column_mask(counts, best.shape[1])
    return [tuple(row[kept].tolist()) for row, kept in zip(best.cpu(), keep.cpu())]


class _Prefixes(NamedTuple):
    """The K best prefixes of each line.

    Attributes:
        classes: (B, K, C), -1 past the length.
        length: (B, K).
        last: (B, K), the last class, 0 for an empty prefix.
        blank: (B, K), log-probability of all alignments that end in a blank.
        symbol: (B, K), of those that end in the last class.
    """

    classes: Tensor
    length: Tensor
    last: Tensor
    blank: Tensor
    symbol: Tensor


@torch.no_grad()
def prefix_beam_decode(
    log_probs: Tensor, counts: Tensor, *, beam_size: int = 10
) -> list[list[tuple[tuple[int, ...], float]]]:
    """The likeliest texts, all their alignments together, by beam search over prefixes.

    Args:
        log_probs: ``(B, C, V)``.
        counts: ``(B,)``, valid columns.
        beam_size: K, prefixes kept.

    Returns:
        For each line up to K pairs of classes and log-probability, best first. The log-probability is that of the
        alignments whose prefixes stayed in the beam: the text's own, if the beam is wide enough.

    Raises:
        ValueError: ``beam_size`` is below 1.

    Source:
        Graves & Jaitly 2014 and Hannun et al. 2014, arXiv:1408.2873, algorithm 1, without a language model; all
        lines and prefixes at once, in log space.
    """
    check_whole("beam_size", beam_size)
    batch_size, columns, _ = log_probs.shape
    shape = (batch_size, beam_size)
    nothing = log_probs.new_full(shape, -torch.inf)
    zeros = torch.zeros(shape, dtype=torch.long, device=log_probs.device)
    blank = nothing.clone()
    blank[:, 0] = 0
    prefixes = _Prefixes(zeros.new_full((*shape, columns), -1), zeros, zeros, blank, nothing)
    for c in range(columns):
        after = _extend(prefixes, log_probs[:, c])
        running = (c < counts).unsqueeze(1)
        prefixes = _Prefixes(
            *(torch.where(running.unsqueeze(2) if new.dim() == 3 else running, new, old)
              for new, old in zip(after, prefixes))
        )  # fmt: skip
    return _sorted(prefixes)


def _extend(prefixes: _Prefixes, column: Tensor) -> _Prefixes:
    """The best K prefixes after one more column (B, V)."""
    beam_size = prefixes.last.shape[1]
    classes = column.shape[1]
    total = torch.logaddexp(prefixes.blank, prefixes.symbol)
    stay_blank = total + column[:, :1]
    again = column.gather(1, prefixes.last)  # the last class once more, without a blank between
    stay_symbol = torch.where(prefixes.length > 0, prefixes.symbol + again, -torch.inf)
    grow = total.unsqueeze(2) + column.unsqueeze(1)  # (B, K, V)
    repeats = F.one_hot(prefixes.last, classes).bool() & (prefixes.length > 0).unsqueeze(2)
    grow = torch.where(repeats, prefixes.blank.unsqueeze(2) + column.unsqueeze(1), grow)
    grow[:, :, BLANK] = -torch.inf
    stay_symbol, grow = _merge(prefixes, stay_symbol, grow)

    scores = torch.cat([torch.logaddexp(stay_blank, stay_symbol), grow.flatten(1)], dim=1)  # (B, K + K * V)
    best = scores.topk(beam_size, dim=1).indices
    grown = best >= beam_size
    parent = torch.where(grown, (best - beam_size) // classes, best)
    new = (best - beam_size) % classes
    length = prefixes.length.gather(1, parent)
    text = prefixes.classes.gather(1, parent.unsqueeze(2).expand(-1, -1, prefixes.classes.shape[2]))
    at = torch.arange(text.shape[2], device=text.device) == length.unsqueeze(2)
    text = torch.where(at & grown.unsqueeze(2), new.unsqueeze(2), text)
    return _Prefixes(
        text,
        length + grown,
        torch.where(grown, new, prefixes.last.gather(1, parent)),
        torch.where(grown, -torch.inf, stay_blank.gather(1, parent)),
        torch.where(grown, scores.gather(1, best), stay_symbol.gather(1, parent)),
    )


def _merge(prefixes: _Prefixes, stay_symbol: Tensor, grow: Tensor) -> tuple[Tensor, Tensor]:
    """Where prefix i with one class more is prefix j of the same beam, j takes its probability."""
    text, length = prefixes.classes, prefixes.length
    place = torch.arange(text.shape[2], device=text.device)
    head = torch.where(place < (length - 1).unsqueeze(2), text, -1)  # (B, K, C), all but the last class
    child = (text.unsqueeze(2) == head.unsqueeze(1)).all(3)  # (B, i, j)
    child &= length.unsqueeze(2) + 1 == length.unsqueeze(1)
    real = ~torch.logaddexp(prefixes.blank, prefixes.symbol).isneginf()
    child &= real.unsqueeze(1)  # an empty place of the beam may hold a copy of a prefix
    given = grow.gather(2, prefixes.last.unsqueeze(1).expand(-1, grow.shape[1], -1))  # (B, i, j): i grown by j's last
    given = torch.where(child, given, -torch.inf)
    stay_symbol = torch.logaddexp(stay_symbol, given.logsumexp(1))
    taken = torch.zeros_like(grow).scatter_add(
        2, prefixes.last.unsqueeze(1).expand(-1, grow.shape[1], -1), child.to(grow.dtype)
    )
    return stay_symbol, grow.masked_fill(taken > 0, -torch.inf)


def _sorted(prefixes: _Prefixes) -> list[list[tuple[tuple[int, ...], float]]]:
    totals = torch.logaddexp(prefixes.blank, prefixes.symbol).cpu()
    order = totals.argsort(dim=1, descending=True, stable=True)
    texts, lengths = prefixes.classes.cpu(), prefixes.length.tolist()
    return [
        [
            (tuple(texts[b, k, : lengths[b][k]].tolist()), float(totals[b, k]))
            for k in row
            if not totals[b, k].isneginf()
        ]
        for b, row in enumerate(order.tolist())
    ]
