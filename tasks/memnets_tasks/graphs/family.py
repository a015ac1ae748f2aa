"""Family relations: name the relative of a person, where the tree gives parents and children alone."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_range, expand_counts
from memnets_tasks._draw import distinct, one_of, whole
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import Batch
from memnets_tasks.graphs.family_trees import (
    EDGES,
    MOST_STEPS,
    RELATION_LABELS,
    RELATIONS,
    draw_family_trees,
)
from memnets_tasks.graphs.triples import BLANK, LABELS, TRIPLE, TripleTask, decode, question


@final
class FamilyRelations(TripleTask):
    """The family task: of a tree that says who is whose father, mother, son and daughter, name a person's relative.

    Graves et al. 2016 (the DNC), "inference"; see :class:`TripleTask` for the encoding. A sequence of ``length`` n
    families shows all edges of a family tree, four of each child: (child, father, its father), (child, mother, its
    mother), and from each of these back (parent, son k or daughter k, child). Then comes the question (person,
    relation, _), and a step at which (person, relation, relative) is wanted. Labels of persons are drawn anew each
    time, those of relations never change. Relations are those of ``family_trees.RELATIONS``, from fathers, one edge
    away, to great-uncles and cousins, four edges away; how many edges is drawn first, from ``min_steps`` to
    ``max_steps``, and is the next smaller number where nobody in the tree has exactly one such relative.

    The paper says neither how its trees are drawn nor which relations it has; its trees have some 54 edges, as those of
    7 families have here.

    Args:
        min_steps: Fewest edges from a person to the relative.
        max_steps: Most edges from a person to the relative; 4 at most.
        min_length: Fewest families in training.
        max_length: Most families in training; a tree can have 249 at most, so that each person has a label.
        evaluation_lengths: Families at which generalisation is measured.

    Raises:
        ValueError: If an argument is below 1 or above its limit, or a ``max_`` argument is below its ``min_``.
    """

    def __init__(
        self,
        *,
        min_steps: int = 1,
        max_steps: int = MOST_STEPS,
        min_length: int = 1,
        max_length: int = 7,
        evaluation_lengths: tuple[int, ...] = (7, 10, 14),
    ) -> None:
        check_range("min_steps", min_steps, "max_steps", max_steps, minimum=1)
        check_range("max_steps", max_steps, "the most edges", MOST_STEPS, minimum=1)
        self.min_steps, self.max_steps = min_steps, max_steps
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="families", least=1)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of family trees and questions.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Families of a tree: one number for all sequences, or ``(B,)``, int64. From 1 to 249.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` is below 1, a length out of range, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        trees = draw_family_trees(length, generator)
        if trees.persons > LABELS:
            raise ValueError(f"length is {int(length.max())}; give 249 families at most, so that each has a label")
        labels = distinct((batch_size,), trees.persons, LABELS, generator)
        relatives, single = trees.single_relatives()  # (B, C, R) each, of each child

        edges_away = torch.tensor([*RELATIONS.values()], device=device)  # (R,)
        drawn = whole(self.min_steps, self.max_steps, (batch_size,), generator)
        possible = single.any(1) & (edges_away <= drawn.unsqueeze(1))  # (B, R); fathers always are
        farthest = (edges_away * possible).amax(1, keepdim=True)
        relation = one_of(possible & (edges_away == farthest), generator)  # (B,)
        sequence = torch.arange(batch_size, device=device)
        child = one_of(single[sequence, :, relation], generator)
        relative = relatives[sequence, child, relation]

        name = torch.tensor(RELATION_LABELS, device=device)[relation]
        answer = torch.stack([labels[sequence, 1 + child], name, labels[sequence, relative]], dim=-1).unsqueeze(1)
        asked = answer.clone()
        asked[..., 2] = BLANK
        edges, there = trees.edge_triples(labels)
        return question(edges, there, asked, torch.ones_like(there[:, :1]), answer, generator)

    def slice_masks(self, batch: Batch) -> dict[str, Tensor]:
        """The sequences ``(B, 1)`` whose relative is 1 edge away, 2, and so on."""
        sequence = torch.arange(len(batch), device=batch.lengths.device)
        asked = decode(batch.inputs[sequence, batch.lengths - 2, :TRIPLE])[:, 1]  # (B,)
        away = torch.zeros(LABELS, dtype=torch.int64, device=asked.device)
        away[torch.tensor(RELATION_LABELS, device=asked.device)] = torch.tensor(
            [*RELATIONS.values()], device=asked.device
        )
        steps = away[asked].unsqueeze(1)
        return {f"steps{count}": steps == count for count in range(1, self.max_steps + 1)}

    def text(self, batch: Batch, index: int) -> str:
        """The edges of one tree by the names of relations, the question, and who is wanted."""
        given = decode(batch.inputs[index, : int(batch.lengths[index]) - 1, :TRIPLE]).tolist()
        names = {**dict(enumerate(EDGES)), **dict(zip(RELATION_LABELS, RELATIONS))}
        *edges, (person, relation, _) = given
        shown = ", ".join(f"{names[how]} of {one} is {other}" for one, how, other in edges)
        wanted = int(decode(batch.targets[index][batch.mask[index]])[0, 2])
        return f"given {shown}; asked {names[relation]} of {person}; wanted {wanted}"
