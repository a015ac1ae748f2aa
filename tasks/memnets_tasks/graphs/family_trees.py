"""Random family trees, and who is whose uncle in them."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets_tasks._draw import whole

COUNT_BITS = 32
"""A count of relatives stands above so many bits of the sum of their numbers, which never fill them."""

CHILDREN = 3
"""Most children of a family."""

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
    """Trees of up to F families. Person 0 is the first; then come the children, three places a family; then newcomers.

    Each family is one of the first and the children before it, who marries a newcomer, and their children.

    Attributes:
        there: ``(B, F, 3)``, bool; which children there are.
        male: ``(B, 1 + 3 F)``, bool; the first and the children.
        married: ``(B, F)``, int64; who of these marries.
        parents: ``(B, 2, F)``, int64; the father and the mother of each family, one of whom is the newcomer.
    """

    there: Tensor
    male: Tensor
    married: Tensor
    parents: Tensor

    @property
    def persons(self) -> int:
        """How many have a number: ``1 + 4 F``."""
        return self.male.shape[1] + self.married.shape[1]

    def edge_triples(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """All edges as triples of labels ``(B, 12 F, 3)`` of persons ``labels (B, 1 + 4 F)``, and which there are.

        Of each child: (child, father, its father), (child, mother, its mother), and back from each of both (parent, son
        or daughter n, child).
        """
        count, families = self.married.shape
        child = labels[:, 1 : self.male.shape[1]].view(count, families, CHILDREN)
        parents = labels.gather(1, self.parents.flatten(1)).view(count, 2, families, 1).expand(-1, -1, -1, CHILDREN)
        father, mother = parents.unbind(1)  # (B, F, 3) each
        relation = self._relation_to_child()
        to_father, to_mother = (torch.full_like(child, EDGES.index(name)) for name in ("father", "mother"))
        of_father = [child, to_father, father, father, relation, child]
        of_mother = [child, to_mother, mother, mother, relation, child]
        triples = torch.stack(of_father + of_mother, dim=-1).view(count, -1, 3)
        return triples, self.there.unsqueeze(-1).expand(-1, -1, -1, 4).reshape(count, -1)

    def single_relatives(self) -> tuple[Tensor, Tensor]:
        """Who is each child's relative of each of :data:`RELATIONS`, and where it has one alone: ``(B, 3 F, R)`` each.

        They are summed from step to step of a relation, as one number: the count of relatives above ``COUNT_BITS`` bits
        of the sum of their numbers. Nobody marries twice or within the tree, so that each relative is met once.
        Others than children have none: one who married into the tree or founded it has no parents there.

        Returns:
            int64, which means something where the other, bool, is true.
        """
        count, families = self.married.shape
        one = 1 << COUNT_BITS
        numbers = torch.arange(1, self.male.shape[1], device=self.male.device).view(1, families, CHILDREN, 1)
        boys = self.male[:, 1:].view(count, families, CHILDREN)
        sexes = torch.stack([boys & self.there, ~boys & self.there], dim=-1)
        own = torch.where(sexes, one + numbers, 0)  # (B, F, 3, 2)
        children = own.sum(2)  # (B, F, 2), sons and daughters of each family
        of_child = self._as_spouse(children)  # (B, F, 3, 2), each child's own sons and daughters
        siblings = children.unsqueeze(2) - own  # brothers and sisters
        nephews = of_child.sum(2, keepdim=True) - of_child  # and nieces
        near = torch.cat([siblings, nephews], dim=-1)  # (B, F, 3, 4)

        child = self.parents * (self.parents < self.male.shape[1])  # (B, 2, F), which one a parent is; 0 of newcomers
        uncles, cousins = _at(near.flatten(1, 2), child).split(2, dim=-1)  # (B, F, 2, 2), sides and sexes
        parents = one + self.parents.transpose(1, 2)  # (B, F, 2)
        above = torch.cat([parents, uncles.sum(2)], dim=-1)  # (B, F, 4)
        grandparents, great_uncles = _at(above, (child + CHILDREN - 1) // CHILDREN).split(2, dim=-1)

        shared = [grandparents, uncles, great_uncles, cousins]
        shared = [parents, *(of_sides.flatten(2) for of_sides in shared)]  # (B, F, K), the same of siblings
        parents, grandparents, uncles, great_uncles, cousins = (
            values.unsqueeze(2).expand(-1, -1, CHILDREN, -1) for values in shared
        )
        found = [parents, grandparents, siblings, uncles, nephews, great_uncles, cousins]
        who = torch.cat(found, dim=-1).flatten(1, 2) ^ one  # without the count where that is one
        return who, (who < one) & self.there.view(count, -1, 1)

    def _as_spouse(self, values: Tensor) -> Tensor:
        """The values ``(B, F, K)`` of the family that each child has as a grown-up: ``(B, F, 3, K)``; 0 without."""
        count, families, size = values.shape
        taken = values.new_zeros(count, self.male.shape[1], size)
        taken.scatter_add_(1, self.married.unsqueeze(-1).expand_as(values), values)
        return taken[:, 1:].unflatten(1, (families, CHILDREN))

    def _relation_to_child(self) -> Tensor:
        """What a parent's edge to each child says ``(B, F, 3)``: the first son and so on."""
        boys = self.male[:, 1:].view(self.there.shape).long()
        sons, daughters = (c.cumsum(2) - c for c in (boys, 1 - boys))
        first_son, first_daughter = (EDGES.index(f"{child} 1") for child in ("son", "daughter"))
        return torch.where(boys == 1, first_son + sons, first_daughter + daughters)


def draw_family_trees(families: Tensor, generator: torch.Generator) -> FamilyTrees:
    """Trees that grow by a family at a time: someone not married marries a newcomer, and they have 1 to 3 children.

    Args:
        families: ``(B,)``, how many there are.
        generator: Source of randomness.
    """
    count, most, device = len(families), int(families.max()), generator.device
    born = whole(1, CHILDREN, (count, most), generator)
    born = born * (torch.arange(most, device=device) < families.unsqueeze(1))  # (B, F), children of each family
    there = torch.arange(CHILDREN, device=device) < born.unsqueeze(-1)  # (B, F, 3)
    male = whole(0, 1, (count, 1 + CHILDREN * most), generator).bool()
    married = _draw_married(there, generator)
    newcomers = torch.arange(male.shape[1], male.shape[1] + most, device=device)
    husband = male.gather(1, married).unsqueeze(1)  # (B, 1, F), whether the one of the tree is
    pairs = torch.stack([married, newcomers.expand_as(married)], dim=1)
    return FamilyTrees(there, male, married, torch.where(husband, pairs, pairs.flip(1)))


def _draw_married(there: Tensor, generator: torch.Generator) -> Tensor:
    """Who of the first and the children marries in each family ``(B, F)``: one born before, and nobody twice."""
    families = there.shape[1]
    family = torch.arange(families, device=there.device)
    persons = F.pad(there.flatten(1), (1, 0), value=True).unsqueeze(1)  # (B, 1, P)
    born = F.pad(family.repeat_interleave(CHILDREN), (1, 0), value=-1)  # in which family
    possible = persons & (born < family.unsqueeze(1))  # (B, F, P)
    draws = torch.rand(possible.shape, generator=generator, device=there.device)
    draws = draws.masked_fill(~possible, -1)
    married = []
    for drawn in draws.unbind(1):
        married.append(drawn.argmax(1, keepdim=True))
        draws.scatter_(2, married[-1].unsqueeze(1).expand(-1, families, -1), -1)
    return torch.cat(married, dim=1)


def _at(values: Tensor, place: Tensor) -> Tensor:
    """The values ``(B, P, K)`` at places ``(B, 2, F)``, counted from 1, zeros at 0: ``(B, F, 2, K)``."""
    index = place.transpose(1, 2).flatten(1).unsqueeze(-1).expand(-1, -1, values.shape[-1])
    return F.pad(values, (0, 0, 1, 0)).gather(1, index).unflatten(1, (-1, 2))
