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

    def relatives(self) -> tuple[Tensor, Tensor]:
        """How many relatives of each of :data:`RELATIONS` a person has, and who it is where there is one.

        Both are summed over relatives, from step to step of a relation, as one number: the count above ``COUNT_BITS``
        bits of the sum of the persons' numbers. Nobody marries twice or within the tree, so that each relative is met
        once.

        Returns:
            ``(B, R, N)`` twice, int64; the second means something where the first is 1.
        """
        persons = torch.arange(self.father.shape[1], device=self.father.device)
        oneself = ((1 << COUNT_BITS) + persons).view(1, 1, -1).expand(len(self.father), -1, -1)  # (B, 1, N)
        children = self._of_children(oneself)  # (B, 2, N): sons and daughters
        siblings = self._of_siblings(oneself, children)  # brothers and sisters
        nephews = self._of_siblings(children, self._of_children(children))
        nephews = nephews.unflatten(1, (2, 2)).sum(1)  # of brothers and of sisters; and nieces
        near = torch.cat([oneself, siblings, nephews], dim=1)
        sides = [taken.split([1, 2, 2], dim=1) for taken in self._of_parents(near)]
        (father, paternal, cousins), (mother, maternal, other_cousins) = sides  # parents, uncles and aunts, cousins
        far = torch.cat([father, mother, paternal + maternal], dim=1)
        (grandparents, great), (other_grandparents, other_great) = (
            taken.split([2, 2], dim=1) for taken in self._of_parents(far)
        )
        found = [father, mother, grandparents, other_grandparents, siblings, paternal, maternal, nephews]
        found += [great, other_great, cousins, other_cousins]
        summed = torch.cat(found, dim=1)  # (B, R, N)
        return summed >> COUNT_BITS, summed & ((1 << COUNT_BITS) - 1)

    def _of_parents(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The values ``(B, K, N)`` of each person's father, and of the mother; zeros where the tree has none."""
        return _taken(values, self.father), _taken(values, self.mother)

    def _of_children(self, values: Tensor) -> Tensor:
        """The values ``(B, K, N)`` of each person's sons, added up, then of the daughters: ``(B, 2 K, N)``."""
        own = self._by_sex(values) * (self.father >= 0).unsqueeze(1)  # children of the tree
        summed = torch.zeros_like(own)
        for parent in (self.father, self.mother):
            summed.scatter_add_(2, parent.clamp_min(0).unsqueeze(1).expand_as(own), own)
        return summed

    def _of_siblings(self, values: Tensor, of_children: Tensor) -> Tensor:
        """The same of each person's brothers and sisters, who are the father's other children."""
        return _taken(of_children, self.father) - self._by_sex(values) * (self.father >= 0).unsqueeze(1)

    def _by_sex(self, values: Tensor) -> Tensor:
        """Values ``(B, K, N)`` of men alone, then of women alone: ``(B, 2 K, N)``."""
        male = self.male.unsqueeze(1)
        return torch.cat([values * male, values * ~male], dim=1)


def draw_family_trees(families: Tensor, generator: torch.Generator) -> FamilyTrees:
    """Trees that grow by a family at a time: someone not married marries a newcomer, and they have 1 to 3 children.

    Args:
        families: ``(B,)``, how many there are.
        generator: Source of randomness.
    """
    count, most, device = len(families), int(families.max()), generator.device
    born = whole(1, CHILDREN, (count, most, 1), generator)  # (B, F, 1), children of each family
    member = torch.arange(MEMBERS, device=device)  # the newcomer, then the children
    growing = (torch.arange(most, device=device) < families.unsqueeze(1)).unsqueeze(-1)  # (B, F, 1)
    there = (member <= born) & growing  # (B, F, 4)
    persons = F.pad(there.flatten(1), (1, 0), value=True)  # (B, N)
    male = whole(0, 1, persons.shape, generator).bool()
    married = _draw_married(persons, most, generator)  # (B, F)

    newcomer = 1 + MEMBERS * torch.arange(most, device=device).expand(count, -1)
    of_tree = male.gather(1, married)  # (B, F), whether the husband is of the tree, and not the newcomer
    male = male.scatter(1, newcomer, ~of_tree)
    father, mother = (torch.where(of_tree == first, married, newcomer) for first in (True, False))
    child = there & (member > 0)
    father, mother = (torch.where(child, who.unsqueeze(-1), -1).flatten(1) for who in (father, mother))
    father, mother = (F.pad(who, (1, 0), value=-1) for who in (father, mother))  # of the first person, none
    return FamilyTrees(persons, male, father, mother, _order(male))


def _draw_married(there: Tensor, families: int, generator: torch.Generator) -> Tensor:
    """Who of those in the tree marries in each family ``(B, F)``: no newcomer, and nobody twice."""
    draws = torch.rand((len(there), families, there.shape[1]), generator=generator, device=there.device)
    single = torch.zeros_like(draws[:, 0])
    single[:, 0] = 1
    married = []
    for family in range(families):
        married.append((draws[:, family] * single + single).argmax(1, keepdim=True))  # above 1 for the single alone
        single = single.scatter(1, married[-1], 0)
        first = 2 + MEMBERS * family
        single[:, first : first + CHILDREN] = there[:, first : first + CHILDREN].float()
    return torch.cat(married, dim=1)


def _order(male: Tensor) -> Tensor:
    """Which son or daughter of a family each person is ``(B, N)``, from 0; children of a family are side by side."""
    children = male[:, 1:].unflatten(1, (-1, MEMBERS))[:, :, 1:].long()  # (B, F, 3)
    sons, daughters = (c.cumsum(2) - c for c in (children, 1 - children))
    order = torch.zeros(male.shape, dtype=torch.int64, device=male.device)
    placed = torch.where(children == 1, sons, daughters)
    order[:, 1:] = F.pad(placed, (1, 0)).flatten(1)
    return order


def _taken(values: Tensor, persons: Tensor) -> Tensor:
    """The values ``(B, K, N)`` of the persons ``(B, N)`` that are named; zeros from -1."""
    index = persons.clamp_min(0).unsqueeze(1).expand_as(values)
    return values.gather(2, index) * (persons >= 0).unsqueeze(1)
