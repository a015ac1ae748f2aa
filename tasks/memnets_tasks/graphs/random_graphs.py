"""Random graphs in a plane, as the DNC paper draws them."""

from typing import NamedTuple

import torch
from torch import Tensor

from memnets_tasks._draw import between, distinct
from memnets_tasks.graphs.triples import LABELS


class Graphs(NamedTuple):
    """Graphs of up to N nodes, of each of which up to D edges go out.

    Attributes:
        there: ``(B, N)``, bool; which nodes there are.
        labels: ``(B, N)``, int64; no two of a graph are equal.
        targets: ``(B, N, D)``, int64; the number of the node that each edge leads to.
        edge_labels: ``(B, N, D)``, int64; no two of a node are equal.
        degrees: ``(B, N)``, int64; edges that go out, the first of the D; 0 of a node that is not there.
    """

    there: Tensor
    labels: Tensor
    targets: Tensor
    edge_labels: Tensor
    degrees: Tensor

    def edge_triples(self) -> tuple[Tensor, Tensor]:
        """All edges as triples of labels ``(B, N D, 3)``, and which there are ``(B, N D)``."""
        count, nodes, degree = self.targets.shape
        ends = self.labels.gather(1, self.targets.flatten(1)).view(count, nodes, degree)
        sources = self.labels.unsqueeze(-1).expand_as(ends)
        there = torch.arange(degree, device=ends.device) < self.degrees.unsqueeze(-1)
        return torch.stack([sources, self.edge_labels, ends], dim=-1).flatten(1, 2), there.flatten(1)

    def adjacency(self) -> Tensor:
        """Whether an edge leads from one node to another: ``(B, N, N)``, bool."""
        rank = torch.arange(self.targets.shape[-1], device=self.targets.device)
        there = rank < self.degrees.unsqueeze(-1)  # (B, N, D)
        count = torch.zeros((*self.targets.shape[:2], self.targets.shape[1]), device=self.targets.device)
        return count.scatter_add(2, self.targets, there.float()) > 0


def draw_graphs(nodes: Tensor, min_degree: int, max_degree: int, generator: torch.Generator) -> Graphs:
    """Nodes uniform in the unit square, each with edges to those that are nearest to it.

    Args:
        nodes: ``(B,)``, how many there are.
        min_degree: Fewest edges out of a node.
        max_degree: Most edges out of a node, and never more than there are other nodes.
        generator: Source of randomness.
    """
    count, most, device = len(nodes), int(nodes.max()), generator.device
    there = torch.arange(most, device=device) < nodes.unsqueeze(1)  # (B, N)
    places = torch.rand((count, most, 2), generator=generator, device=device)
    distances = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")  # (B, N, N)
    itself = torch.eye(most, dtype=torch.bool, device=device)
    distances = distances.masked_fill(itself | ~there.unsqueeze(1), torch.inf)
    degree = min(max_degree, most - 1)
    targets = distances.topk(degree, dim=-1, largest=False).indices  # (B, N, D), the nearest first
    highest = (nodes - 1).clamp_max(max_degree).unsqueeze(1).expand(-1, most)
    degrees = between(highest.clamp_max(min_degree), highest, generator) * there
    labels = distinct((count,), most, LABELS, generator)
    return Graphs(there, labels, targets, distinct((count, most), degree, LABELS, generator), degrees)
