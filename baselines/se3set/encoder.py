"""SE3Set: attention between nodes and overlapping hyperedges, on scalars, vectors and tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.common import NodeEmbedding, expand_ranges
from baselines.se3set.attention import Hypergraph, MemberPairs, SE3SetBlock, SE3SetOptions, State
from baselines.se3set.irreps import Features, take
from hemenet_lab.encoders import Encoder, Equivariant, Preparation
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import safe_norm, segment_count

NEIGHBORHOOD_VIEW = GraphView(nodes="alpha", k=6, k_min_separation=0, sequence_offsets=())
"""Alpha carbons and ligand atoms with their six nearest: hyperedges of seven members."""


def memberships(graph: ProteinGraph) -> tuple[Tensor, Tensor]:
    """A hyperedge per node: itself and the nodes that send it an edge.

    Returns:
        Hyperedge, ascending, and node of each membership, int64 [M].
    """
    num = len(graph.pos)
    own = torch.arange(num, device=graph.pos.device)
    source, target = graph.edge_index
    key = torch.cat([target * num + source, own * num + own]).unique()
    return key // num, key % num


def member_pairs(hyperedge: Tensor, num_hyperedges: int) -> tuple[Tensor, Tensor]:
    """Ordered pairs of different memberships of the same hyperedge.

    Args:
        hyperedge: Hyperedge of each membership, int64 [M], ascending.
        num_hyperedges: Number of hyperedges.

    Returns:
        Source, and receiver in ascending order, int64 [P].
    """
    size = segment_count(hyperedge, num_hyperedges)
    start = size.cumsum(0) - size
    receiver, source = expand_ranges(start[hyperedge], size[hyperedge])
    other = source != receiver
    return source[other], receiver[other]


class GaussianRadial(nn.Module):
    """Distances in Gaussians of learned centres and widths.

    Args:
        num: Number of Gaussians.
        max_radius: Distances are divided by this, Å.
    """

    def __init__(self, num: int, max_radius: float) -> None:
        super().__init__()
        self.max_radius = max_radius
        self.mean = nn.Parameter(torch.rand(1, num))
        self.std = nn.Parameter(torch.empty(1, num).uniform_(1 / num, 1.0))
        self.weight = nn.Parameter(torch.ones(1, 1))
        self.bias = nn.Parameter(torch.zeros(1, 1))

    def forward(self, distance: Tensor) -> Tensor:
        """[P] Å → [P, num]."""
        t = self.weight * distance.unsqueeze(-1) / self.max_radius + self.bias
        width = self.std.abs() + 1e-5
        return (-0.5 * ((t - self.mean) / width).square()).exp() / (math.sqrt(2 * math.pi) * width)


@dataclass(frozen=True)
class HyperedgeMembers(Preparation):
    """Memberships of nodes in hyperedges, and who of them hears of whom.

    ``node`` [M] of each membership, ``by_node`` [M] their order by node; ``source`` and
    ``receiver`` [P], the pairs of memberships of one hyperedge.
    """

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        hyperedge, node = memberships(graph)
        source, receiver = member_pairs(hyperedge, len(graph.pos))
        return {
            "node": node,
            "by_node": node.argsort(stable=True),
            "source": source,
            "receiver": receiver,
        }


class SE3Set(Encoder):
    """SE3Set (Wu et al., TMLR 2025) with the neighbourhoods of residues as hyperedges.

    Each membership of a node in a hyperedge has features of its own, which attend to the other
    members; then each node attends to its memberships. All features are scalars, vectors and
    tensors of degree 2. The node features are the scalars, and the lengths of the others.

    Args:
        hidden_dim: Scalars of a node, and of a membership.
        vector_dim: Vectors.
        tensor_dim: Traceless symmetric tensors.
        num_layers: Number of blocks.
        num_heads: Attention heads; must divide the three numbers.
        mlp_ratio: How many times wider the feed-forward networks are inside.
        nonlinear_message: Values pass a gate and a second product.
        num_radial: Gaussians of a distance.
        radial_dims: Widths of the network that weighs a pair by its distance.
        max_radius: Unit of the distances, Å; the Gaussians begin with centres from 0 to this.
        element_only: Nodes see their element class alone; otherwise residue type, element, entity.
        view: Graph of alpha carbons or atoms; a hyperedge is a node and those that send it edges.

    Raises:
        ValueError: ``num_heads`` does not divide the numbers of features.
    """

    view_nodes = ("alpha", "atom")
    paper = "Wu et al., SE3Set, TMLR 2025, arXiv 2405.16511"

    def __init__(
        self,
        hidden_dim: int = 128,
        vector_dim: int = 64,
        tensor_dim: int = 32,
        num_layers: int = 6,
        num_heads: int = 4,
        mlp_ratio: int = 3,
        nonlinear_message: bool = True,
        num_radial: int = 32,
        radial_dims: Sequence[int] = (64, 64),
        max_radius: float = 15.0,
        element_only: bool = False,
        view: GraphView = NEIGHBORHOOD_VIEW,
    ) -> None:
        super().__init__(view, hidden_dim + vector_dim + tensor_dim, HyperedgeMembers())
        self.dims = (hidden_dim, vector_dim, tensor_dim)
        if any(number % num_heads for number in self.dims):
            raise ValueError(
                f"SE3Set num_heads is {num_heads}, which does not divide hidden_dim, vector_dim "
                f"and tensor_dim, {self.dims}; change one of them"
            )
        options = SE3SetOptions(
            self.dims,
            num_heads,
            (hidden_dim // num_heads, vector_dim // num_heads, tensor_dim // num_heads),
            (mlp_ratio * hidden_dim, mlp_ratio * vector_dim, mlp_ratio * tensor_dim),
            num_radial,
            tuple(radial_dims),
            nonlinear_message,
        )
        self.embedding = NodeEmbedding(hidden_dim, element_only)
        self.rbf = GaussianRadial(num_radial, max_radius)
        self.blocks = nn.ModuleList(SE3SetBlock(options) for _ in range(num_layers))

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, hidden_dim + vector_dim + tensor_dim]."""
        scalars, vectors, tensors = self._encode(graph)
        lengths = [safe_norm(part.transpose(1, 2)) for part in (vectors, tensors)]
        return torch.cat([scalars.squeeze(1), *lengths], dim=1)

    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        """The nodes' vectors after the last block, ``node_vectors`` [N, vector_dim, 3]."""
        return Equivariant(vectors={"node_vectors": self._encode(graph)[1].transpose(1, 2)})

    def _encode(self, graph: ProteinGraph) -> Features:
        known = self.prepared(graph)
        node, hypergraph = known["node"], self._hypergraph(graph, known)
        scalars = self.embedding(graph).unsqueeze(1)
        empty = [
            scalars.new_zeros(len(scalars), 2 * degree + 1, number)
            for degree, number in enumerate(self.dims)
        ]
        start = (scalars, empty[1], empty[2])
        nodes = State(start, start)
        members = State(take(start, node), take(start, node))
        for block in self.blocks:
            nodes, members = block(nodes, members, hypergraph)
        return nodes.features

    def _hypergraph(self, graph: ProteinGraph, known: Mapping[str, Tensor]) -> Hypergraph:
        node, receiver, by_node = known["node"], known["receiver"], known["by_node"]
        source = node[known["source"]]
        step = graph.pos[source] - graph.pos[node[receiver]]
        gaussians = self.rbf(safe_norm(step))
        return Hypergraph(MemberPairs(source, receiver, step, gaussians), by_node, node[by_node])
