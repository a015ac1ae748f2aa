"""Triples of labels as vectors, and the phases of a question about a graph."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets_tasks._checks import check_logits
from memnets_tasks._pieces import order
from memnets_tasks.base import Batch
from memnets_tasks.scored_steps import StepTask

LABELS = 1000
"""Labels are the numbers below, of three digits each."""

BLANK = -1
"""In place of a label: it is left open, and all of its digits are zero vectors."""

PLACES = 3
"""Digits of a label, and labels of a triple."""

TRIPLE = PLACES * PLACES * 10
"""Bits of an encoded triple."""


@lru_cache(maxsize=8)
def _codes(device: torch.device) -> Tensor:
    """The digits of each label, one-hot ``(1001, 30)``; the last row is that of a label left open."""
    digits = torch.arange(LABELS, device=device).unsqueeze(-1) // torch.tensor([100, 10, 1], device=device) % 10
    return F.pad(F.one_hot(digits, 10).float().flatten(1), (0, 0, 0, 1))


def encode(triples: Tensor) -> Tensor:
    """Triples of labels ``(..., 3)``, int64, as vectors ``(..., 90)``, each of the nine digits one-hot."""
    return F.embedding(_rows(triples), _codes(triples.device)).flatten(-2)


def _rows(triples: Tensor) -> Tensor:
    """Where the codes of labels stand: that of a label left open after all others."""
    return triples.masked_fill(triples < 0, LABELS)


def _encode_into(vectors: Tensor, rows: Tensor) -> None:
    """Put triples by their codes' rows ``(S, 3)`` into the first 90 of vectors ``(S, ...)``: written but once."""
    codes = _codes(rows.device)
    for place, part in enumerate(vectors[:, :TRIPLE].split(codes.shape[1], dim=1)):
        torch.index_select(codes, 0, rows[:, place], out=part)


def decode(vectors: Tensor) -> Tensor:
    """The triples ``(..., 3)`` that vectors ``(..., 90)`` say by the largest of each ten; blank where all are zero."""
    digits = vectors.unflatten(-1, (PLACES, PLACES, 10))
    labels = (digits.argmax(-1) * torch.tensor([100, 10, 1], device=vectors.device)).sum(-1)
    return torch.where((digits != 0).flatten(-2).any(-1), labels, BLANK)


class TripleTask(StepTask):
    """A question about a graph whose edges are given one by one, in random order.

    Graves et al. 2016, "Hybrid computing using a neural network with dynamic external memory", Methods. A step's input
    has 92 numbers: the triple (source, edge, destination) of 90, nine digits of ten bits each, and two channels. A
    label is a number of 0 to 999; one that is left open is all zeros. Channel 90 is 1 at the first step of each phase
    (description, question, planning, answer), channel 91 at each step that asks for a triple. The output of 90 numbers
    is nine softmaxes, one a digit; a triple is right if all nine digits are.

    Departures from the paper: its network is shown its own last answer at the next step of an answer, here a step of an
    answer shows nothing but its channels, so that a batch is drawn without the network.

    Abstract: a subclass defines ``sample``.
    """

    input_size = TRIPLE + 2
    output_size = TRIPLE

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross entropy in nats of a digit, averaged over all nine digits of all scored steps.

        Args:
            outputs: ``(B, T, 90)``, the network's output, before the softmaxes.
            batch: The batch the output belongs to.

        Raises:
            ValueError: If ``outputs`` does not have the shape of ``batch.targets``.
        """
        check_logits(outputs, batch)
        logits = outputs[batch.mask].unflatten(-1, (-1, 10)).flatten(0, 1).float()  # (scored digits, 10)
        return F.cross_entropy(logits, batch.targets[batch.mask].view(-1, 10).argmax(-1))

    def right(self, predictions: Tensor, batch: Batch) -> Tensor:
        """Where all nine digits are right: ``(B, T)``, bool. Raises what ``loss`` does."""
        check_logits(predictions, batch)
        given, wanted = (v.unflatten(-1, (-1, 10)).argmax(-1) for v in (predictions, batch.targets))
        return (given == wanted).all(-1) & ~predictions.isnan().any(-1)

    def slice_masks(self, batch: Batch) -> dict[str, Tensor]:
        """The sequences ``(B, 1)`` whose answer is of each number of triples that there is."""
        wanted = batch.mask.sum(1, keepdim=True)
        return {f"path{count}": wanted == count for count in self.answer_lengths}

    @property
    def answer_lengths(self) -> range:
        """How many triples an answer may have."""
        return range(1, 2)

    def text(self, batch: Batch, index: int) -> str:
        """The edges of one sequence, the question and the answer; a label that is left open is an underscore."""
        length, asks = int(batch.lengths[index]), batch.mask[index]
        given = decode(batch.inputs[index, :length, :TRIPLE])
        phases = batch.inputs[index, :length, TRIPLE].nonzero().squeeze(1).tolist()  # their first steps
        edges, question = given[: phases[1]], given[phases[1] : phases[2]]
        wanted = decode(batch.targets[index][asks])
        return f"given {_text(edges)}; asked {_text(question)}; wanted {_text(wanted)}"


def _text(triples: Tensor) -> str:
    return " ".join("(" + " ".join("_" if n < 0 else str(n) for n in triple) + ")" for triple in triples.tolist())


def question(
    edges: Tensor,
    there: Tensor,
    asked: Tensor,
    asked_there: Tensor,
    wanted: Tensor,
    generator: torch.Generator,
    planning: int = 0,
) -> Batch:
    """A batch of a description, in random order, a question, planning and an answer.

    Args:
        edges: ``(B, E, 3)``, the triples of the graph.
        there: ``(B, E)``, bool; which of them there are, one at least.
        asked: ``(B, Q, 3)``, the triples of the question.
        asked_there: ``(B, Q)``, bool. The first is.
        wanted: ``(B, A, 3)``, the triples of the answer; there are those that have no blank, before the others.
        generator: Source of randomness.
        planning: Steps between question and answer.
    """
    count, device = len(edges), edges.device
    shows_nothing = edges.new_full((count, planning + wanted.shape[1], 3), LABELS)
    rows = torch.cat([edges, _rows(asked), shows_nothing], dim=1)  # (B, S, 3)
    answered = wanted[..., 0] >= 0
    present = torch.cat([there, asked_there, there.new_ones((count, planning)), answered], dim=1)  # (B, S)
    sizes = edges.shape[1], asked.shape[1], planning, wanted.shape[1]
    after, answers = torch.arange(1, 1 + sum(sizes[1:]), device=device), sum(sizes[:3])
    draws = torch.rand(there.shape, generator=generator, device=device)
    placed = order(present, torch.cat([draws, after.float().expand(count, -1)], dim=1))
    mask = (placed.source >= answers) & placed.inside
    inputs = draws.new_empty((*mask.shape, TRIPLE + 2))
    inputs[..., TRIPLE] = _first_steps(sizes, device)[placed.source] * placed.inside
    inputs[:, 0, TRIPLE] = 1  # whichever edge came first
    inputs[..., TRIPLE + 1] = mask
    of_batch = rows.shape[1] * torch.arange(count, device=device).unsqueeze(1)
    given = rows.flatten(0, 1).index_select(0, (placed.source + of_batch).flatten())
    _encode_into(inputs.flatten(0, 1), given.masked_fill_(~placed.inside.view(-1, 1), LABELS))
    targets = inputs.new_zeros((*mask.shape, TRIPLE))
    sequence, number = answered.nonzero(as_tuple=True)
    step = (placed.lengths - answered.sum(1))[sequence] + number  # the answer is what comes last
    targets[sequence, step] = encode(wanted[sequence, number])
    return Batch(inputs, targets, mask, placed.lengths)


@lru_cache(maxsize=8)
def _first_steps(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """1 at the first step of each phase after the description, 0 elsewhere: ``(S,)``. One without steps has none."""
    later = [float(step == 0) for size in sizes[1:] for step in range(size)]
    return torch.tensor([0.0] * sizes[0] + later, device=device)
