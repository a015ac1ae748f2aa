"""Shortest path: name the edges of the shortest way from one node to another."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_range, expand_counts
from memnets_tasks._draw import one_of, whole
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import Batch
from memnets_tasks.graphs.random_graphs import Graphs, draw_graphs
from memnets_tasks.graphs.triples import BLANK, TripleTask, question


@final
class ShortestPath(TripleTask):
    """The shortest path task: given two nodes, name each edge of the shortest way from one to the other.

    Graves et al. 2016 (the DNC); see :class:`TripleTask` for the encoding and :class:`GraphTraversal` for the graphs. A
    sequence of ``length`` n nodes shows all edges of a graph; then the question (source, _, destination), ``planning``
    steps that show nothing, and a step for each triple (source, edge, destination) of the path.

    The paper takes any shortest path for right and trains on the network's own choices. Here the nodes are such that
    there is one shortest path alone. Its number of edges is drawn from ``min_path`` to ``max_path``; where a graph has
    no such nodes that far apart, it is the next smaller number of which it has.

    Args:
        min_degree: Fewest edges out of a node.
        max_degree: Most edges out of a node.
        min_path: Fewest edges of a path.
        max_path: Most edges of a path.
        planning: Steps between question and answer; the paper has 10.
        min_length: Fewest nodes in training.
        max_length: Most nodes in training.
        evaluation_lengths: Nodes at which generalisation is measured.

    Raises:
        ValueError: If ``planning`` is below 0, another argument below 1, a number of nodes below 2, or a ``max_``
            argument below its ``min_``.
    """

    def __init__(
        self,
        *,
        min_degree: int = 2,
        max_degree: int = 4,
        min_path: int = 1,
        max_path: int = 4,
        planning: int = 10,
        min_length: int = 3,
        max_length: int = 10,
        evaluation_lengths: tuple[int, ...] = (10, 20, 40),
    ) -> None:
        check_range("min_degree", min_degree, "max_degree", max_degree, minimum=1)
        check_range("min_path", min_path, "max_path", max_path, minimum=1)
        check_at_least("planning", planning, 0)
        self.min_degree, self.max_degree = min_degree, max_degree
        self.min_path, self.max_path, self.planning = min_path, max_path, planning
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="nodes", least=2)

    @property
    def answer_lengths(self) -> range:
        """How many edges a path has."""
        return range(1, self.max_path + 1)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of graphs and paths.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Nodes of a graph: one number for all sequences, or ``(B,)``, int64. At least 2.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` is below 1, a length below 2, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=2, unit=self.length_unit)
        graphs = draw_graphs(length, self.min_degree, self.max_degree, generator)
        farther, single = farther_and_single(graphs.adjacency(), self.max_path)  # (B, P, N, N) each
        path = _nearest(whole(self.min_path, self.max_path, (batch_size,), generator), single.flatten(2).any(2))
        sequence = torch.arange(batch_size, device=device)
        ends = one_of(single[sequence, path - 1].flatten(1), generator)  # (B,)
        source, target = ends // single.shape[-1], ends % single.shape[-1]
        labels = graphs.labels[sequence, source], torch.full_like(source, BLANK), graphs.labels[sequence, target]
        asked = torch.stack(labels, dim=-1).unsqueeze(1)  # (B, 1, 3)
        triples, there = graphs.edge_triples()
        left = 1 + farther[sequence, :, :, target].sum(1)  # (B, N), edges from each node to the target, but for itself
        way = _way(graphs, left.scatter(1, target.unsqueeze(1), 0), source, path)  # (B, P)
        wanted = triples.gather(1, way.clamp_min(0).unsqueeze(-1).expand(-1, -1, 3))
        wanted = wanted.masked_fill((way < 0).unsqueeze(-1), BLANK)
        return question(triples, there, asked, torch.ones_like(there[:, :1]), wanted, generator, self.planning)


def _way(graphs: Graphs, left: Tensor, node: Tensor, path: Tensor) -> Tensor:
    """The edges of the way ``(B, P)`` from a node, -1 past its end: each to one that has fewer ``left (B, N)``."""
    degree = graphs.targets.shape[-1]
    after = left.gather(1, graphs.targets.flatten(1)).view_as(graphs.targets)  # (B, N, D), from the end of each edge
    there = torch.arange(degree, device=node.device) < graphs.degrees.unsqueeze(-1)
    nearer = there & (after == left.unsqueeze(-1) - 1)
    best = nearer.int().argmax(-1)  # (B, N), the edge out of each node that leads there
    ends = graphs.targets.gather(2, best.unsqueeze(-1)).squeeze(-1)
    edges, node = [], node.unsqueeze(1)  # (B, 1)
    for _ in range(int(path.max())):
        edges.append(node * degree + best.gather(1, node))
        node = ends.gather(1, node)
    past = torch.arange(len(edges), device=node.device) >= path.unsqueeze(1)  # (B, P)
    return torch.cat(edges, dim=1).masked_fill(past, -1)


def farther_and_single(adjacency: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Whether nodes are farther from each other than 1 edge, 2 and so on, and whether one path of so many leads there.

    Args:
        adjacency: ``(B, N, N)``, bool.
        most: Distance up to which is looked.

    Returns:
        ``(B, most, N, N)``, bool, False from a node to itself; and of the same shape whether that is the distance, and
        there is one shortest path alone.
    """
    edges = adjacency.float()
    walks = edges  # of each number of edges; those as long as the distance are the shortest paths
    far = ~torch.eye(adjacency.shape[1], dtype=torch.bool, device=adjacency.device).expand_as(adjacency)
    farther, single = [], []
    for steps in range(most):
        walks = walks @ edges if steps else edges
        single.append(far & (walks == 1))
        far = far & (walks == 0)
        farther.append(far)
    return torch.stack(farther, dim=1), torch.stack(single, dim=1)


def _nearest(wanted: Tensor, there: Tensor) -> Tensor:
    """The largest number that is there, ``(B, most)``, and not above ``wanted (B,)``; 1 always is."""
    numbers = torch.arange(1, there.shape[1] + 1, device=there.device)
    return (numbers * (there & (numbers <= wanted.unsqueeze(1)))).amax(1)
