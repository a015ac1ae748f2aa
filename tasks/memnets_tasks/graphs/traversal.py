"""Graph traversal: follow edges by their labels from a node that is named."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_range, expand_counts
from memnets_tasks._draw import up_to, whole
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import Batch
from memnets_tasks.graphs.random_graphs import Graphs, draw_graphs
from memnets_tasks.graphs.triples import BLANK, TripleTask, question


@final
class GraphTraversal(TripleTask):
    """The traversal task: given a node and the labels of edges, name each edge that is taken and the nodes it joins.

    Graves et al. 2016 (the DNC); see :class:`TripleTask` for the encoding. A sequence of ``length`` n nodes shows all
    edges of a graph; then the question (node, edge 1, _), (_, edge 2, _), ..., and at last as many steps at which the
    complete triples (source, edge, destination) are wanted. A graph has its nodes in the unit square, and edges from
    each to the nearest of the others, as many as are drawn from ``min_degree`` to ``max_degree``. Labels of nodes
    differ within a graph, those of edges among the edges of a node. The paper's last lesson has 30 to 40 nodes.

    Args:
        min_degree: Fewest edges out of a node.
        max_degree: Most edges out of a node.
        min_path: Fewest edges to follow.
        max_path: Most edges to follow.
        min_length: Fewest nodes in training.
        max_length: Most nodes in training.
        evaluation_lengths: Nodes at which generalisation is measured.

    Raises:
        ValueError: If an argument is below 1, a number of nodes below 2, or a ``max_`` argument below its ``min_``.
    """

    def __init__(
        self,
        *,
        min_degree: int = 2,
        max_degree: int = 4,
        min_path: int = 1,
        max_path: int = 5,
        min_length: int = 3,
        max_length: int = 10,
        evaluation_lengths: tuple[int, ...] = (10, 20, 40),
    ) -> None:
        check_range("min_degree", min_degree, "max_degree", max_degree, minimum=1)
        check_range("min_path", min_path, "max_path", max_path, minimum=1)
        self.min_degree, self.max_degree = min_degree, max_degree
        self.min_path, self.max_path = min_path, max_path
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="nodes", least=2)

    @property
    def answer_lengths(self) -> range:
        """How many edges are followed."""
        return range(self.min_path, self.max_path + 1)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of graphs and walks.

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
        path = whole(self.min_path, self.max_path, (batch_size,), generator)
        most = int(path.max())
        triples, there = graphs.edge_triples()
        taken = torch.arange(most, device=device) < path.unsqueeze(1)  # (B, P)
        walk = triples.gather(1, self._walk(graphs, length, most, generator).unsqueeze(-1).expand(-1, -1, 3))
        walk = walk.masked_fill(~taken.unsqueeze(-1), BLANK)  # (B, P, 3)
        asked = walk.clone()
        asked[..., 2] = BLANK
        asked[:, 1:, 0] = BLANK
        return question(triples, there, asked, taken, walk, generator)

    def _walk(self, graphs: Graphs, nodes: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """``count`` edges that follow each other ``(B, P)``, of any node, by their number among the graph's edges."""
        degree = graphs.targets.shape[-1]
        targets = graphs.targets.flatten(1)
        node = up_to(nodes, generator).unsqueeze(1)  # (B, 1)
        edges = []
        for _ in range(count):
            edges.append(node * degree + up_to(graphs.degrees.gather(1, node), generator))
            node = targets.gather(1, edges[-1])
        return torch.cat(edges, dim=1)
