"""Random family trees, and who is whose uncle in them."""

from typing import NamedTuple

import torch
from torch import Tensor

from memnets_tasks._draw import one_of

CHILDREN = 3
"""Most children of a family."""

MEMBERS = 1 + CHILDREN
"""New persons of a family: whom one of the tree marries, and their children."""

EDGES = ("father", "mother", *(f"{child} {n}" for child in ("son", "daughter") for n in range(1, CHILDREN + 1)))
"""What a tree's edges say; a label of the first relation is 0, of the second 1, and so on."""

RELATIONS = {
    "father": 1,
    "mother": 1,
    "paternal grandfather": 2,
    "paternal grandmother": 2,
    "maternal grandfather": 2,
    "maternal grandmother": 2,
    "brother": 2,
    "sister": 2,
    "paternal uncle": 3,
    "paternal aunt": 3,
    "maternal uncle": 3,
    "maternal aunt": 3,
    "nephew": 3,
    "niece": 3,
    "paternal great-uncle": 4,
    "paternal great-aunt": 4,
    "maternal great-uncle": 4,
    "maternal great-aunt": 4,
    "paternal male cousin": 4,
    "paternal female cousin": 4,
    "maternal male cousin": 4,
    "maternal female cousin": 4,
}
"""What may be asked, and the edges to follow for it, from child to parent or back."""

MOST_STEPS = max(RELATIONS.values())

RELATION_LABELS = tuple(
    EDGES.index(name) if name in EDGES else len(EDGES) + number for number, name in enumerate(RELATIONS)
)
"""The label of each relation that may be asked."""


class FamilyTrees(NamedTuple):
    """Family trees of up to N persons; person 0 is the first.

    Attributes:
        there: ``(B, N)``, bool; which persons there are.
        male: ``(B, N)``, bool.
        father: ``(B, N)``, int64; -1 without parents in the tree.
        mother: ``(B, N)``, int64; the same.
        order: ``(B, N)``, int64; which son or daughter of their parents a person is, from 0.
    """

    there: Tensor
    male: Tensor
    father: Tensor
    mother: Tensor
    order: Tensor

    def edge_triples(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """All edges as triples of labels ``(B, 4 N, 3)`` of persons ``labels (B, N)``, and which there are.

        Of each child: (child, father, its father), (child, mother, its mother), and back from each of both (parent, son
        or daughter n, child).
        """
        triples = []
        child = 2 + torch.where(self.male, 0, CHILDREN) + self.order
        for relation, parent in enumerate((self.father, self.mother)):
            other = labels.gather(1, parent.clamp_min(0))
            triples.append(torch.stack([labels, torch.full_like(labels, relation), other], dim=-1))
            triples.append(torch.stack([other, child, labels], dim=-1))
        there = (self.father >= 0).repeat(1, len(triples))
        return torch.cat(triples, dim=1), there

    def relations(self) -> Tensor:
        """Whether a person is in each of :data:`RELATIONS` to another one: ``(B, R, N, N)``, bool.

        Entry ``[b, r, i, j]`` says that j is the r of i.
        """
        father, mother = _links(self.father), _links(self.mother)  # (B, N, N)
        parent = father | mother
        son = parent.mT & self.male.unsqueeze(1)
        daughter = parent.mT & ~self.male.unsqueeze(1)
        oneself = torch.eye(parent.shape[1], dtype=torch.bool, device=parent.device)
        brother, sister = (_follow(parent, child) & ~oneself for child in (son, daughter))
        sibling = brother | sister
        found = [father, mother]
        found += [_follow(first, second) for first in (father, mother) for second in (father, mother)]
        found += [brother, sister]
        found += [_follow(first, second) for first in (father, mother) for second in (brother, sister)]
        found += [_follow(sibling, child) for child in (son, daughter)]
        grandparents = [_follow(first, parent) for first in (father, mother)]
        found += [_follow(grandparent, other) for grandparent in grandparents for other in (brother, sister)]
        cousins_parents = [_follow(first, sibling) for first in (father, mother)]
        found += [_follow(aunt, child) for aunt in cousins_parents for child in (son, daughter)]
        return torch.stack(found, dim=1)


def draw_family_trees(families: Tensor, generator: torch.Generator) -> FamilyTrees:
    """Trees that grow by a family at a time: someone not married marries a newcomer, and they have 1 to 3 children.

    Args:
        families: ``(B,)``, how many there are.
        generator: Source of randomness.
    """
    count, most, device = len(families), int(families.max()), generator.device
    shape, sequence = (count, 1 + most * MEMBERS), torch.arange(count, device=device)
    there = torch.zeros(shape, dtype=torch.bool, device=device)
    there[:, 0] = True
    male = torch.randint(2, shape, generator=generator, device=device, dtype=torch.uint8).bool()
    parents = torch.full((*shape, 2), -1, device=device)  # father and mother
    single = there.clone()
    children = torch.randint(1, CHILDREN + 1, (count, most), generator=generator, device=device)
    for family in range(most):
        growing = families > family  # (B,)
        person = one_of(single, generator)
        newcomer = 1 + family * MEMBERS
        first, end = newcomer + 1, newcomer + MEMBERS
        male[:, newcomer] = ~male[sequence, person]
        there[:, newcomer] = growing
        there[:, first:end] = growing.unsqueeze(1) & (
            torch.arange(CHILDREN, device=device) < children[:, family].unsqueeze(1)
        )
        other = torch.full_like(person, newcomer)
        couple = torch.where(male[sequence, person].unsqueeze(1), _pair(person, other), _pair(other, person))
        born = there[:, first:end].unsqueeze(-1)  # (B, 3, 1)
        parents[:, first:end] = torch.where(born, couple.unsqueeze(1), -1)
        single[sequence, person] = single[sequence, person] & ~growing
        single[:, first:end] = there[:, first:end]
    return FamilyTrees(there, male, parents[..., 0], parents[..., 1], _order(male))


def _pair(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack([first, second], dim=-1)


def _order(male: Tensor) -> Tensor:
    """Which son or daughter of a family each person is ``(B, N)``, from 0; children of a family are side by side."""
    children = male[:, 1:].unflatten(1, (-1, MEMBERS))[:, :, 1:].long()  # (B, F, 3)
    sons, daughters = (c.cumsum(2) - c for c in (children, 1 - children))
    order = torch.zeros(male.shape, dtype=torch.int64, device=male.device)
    placed = torch.where(children == 1, sons, daughters)
    order[:, 1:] = torch.nn.functional.pad(placed, (1, 0)).flatten(1)
    return order


def _links(persons: Tensor) -> Tensor:
    """From each person to the one that is named: ``(B, N)`` to ``(B, N, N)``, bool; none from -1."""
    return persons.unsqueeze(-1) == torch.arange(persons.shape[1], device=persons.device)


def _follow(first: Tensor, second: Tensor) -> Tensor:
    """Whether one relation and then another lead from one person to another: ``(B, N, N)``, bool."""
    return first.float() @ second.float() > 0
