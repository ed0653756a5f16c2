"""GET: the Generalist Equivariant Transformer (Kong et al., ICML 2024)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.common import NUM_ENTITIES
from baselines.get.layer import Bilevel, BilevelAttention, BlockFeedForward, ScaleNorm
from hemenet_lab.encoders import Encoder, Equivariant, Preparation
from hemenet_lab.graphs import GraphView, ProteinGraph, count_graphs, node_batch
from hemenet_lab.nn import segment_count, segment_mean, segment_sum
from hemenet_lab.structures import NUM_CHANNELS, NUM_ELEMENT_CLASSES, NUM_NODE_TYPES

BLOCK_VIEW = GraphView(nodes="residue", k=9, k_min_separation=0, sequence_offsets=())
"""Residues and ligand atoms with the nine nearest; each block joins itself besides."""
LIGAND_SLOT = NUM_CHANNELS
"""Place of a ligand's atom, after those of the atoms of a residue."""
EDGES_AT_ONCE = 2048
"""Edges whose distances of all atoms are in memory at a time."""


@dataclass(frozen=True)
class NearestAtoms(Preparation):
    """The parts of a `Bilevel`, the ``atom`` [U] of each in the channels, and ``relation`` [E].

    Args:
        nearest: Atoms of a sending block that an atom attends to.
        num_relations: Relations of the view; an edge's number is twice its relation, and one more
            between two entities; the last number is that of a block to itself.
    """

    nearest: int
    num_relations: int

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        mask = graph.channel_mask
        num, channels = mask.shape
        atom = mask.flatten().nonzero().squeeze(1)
        number = (mask.flatten().cumsum(0) - 1).view(num, channels)
        source, target, relation = self._edges(graph)
        block = atom // channels
        of_atom = node_batch(graph)[block]
        receives = mask[target]
        edge, slot = receives.nonzero(as_tuple=True)
        groups = (receives.flatten().cumsum(0) - 1).view(-1, channels)
        pairs = [
            _nearest(graph, source[part], target[part], groups[part], self.nearest)
            for part in torch.arange(len(target), device=target.device).split(EDGES_AT_ONCE)
        ]
        group, sender, channel = torch.cat(pairs, dim=1)
        return {
            "atom": atom,
            "block": block,
            "graph": of_atom,
            "atoms": segment_count(of_atom, count_graphs(graph)),
            "edge_block": target,
            "group_block": target[edge],
            "group_atom": number[target[edge], slot],
            "group_edge": edge,
            "pair_block": target[edge][group],
            "pair_group": group,
            "pair_source": number[sender, channel],
            "relation": relation,
        }

    def _edges(self, graph: ProteinGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Source, target (ascending) and number of the relation, self-loops included."""
        source, target = graph.edge_index
        proper = (source != target).nonzero().squeeze(1)
        source, target = source[proper], target[proper]
        apart = graph.entity[source] != graph.entity[target]
        relation = 2 * graph.edge_type[proper] + apart
        own = torch.arange(len(graph.pos), device=target.device)
        target, order = torch.cat([target, own]).sort(stable=True)
        relation = torch.cat([relation, torch.full_like(own, 2 * self.num_relations)])[order]
        return torch.cat([source, own])[order], target, relation


def _nearest(
    graph: ProteinGraph, source: Tensor, target: Tensor, group: Tensor, nearest: int
) -> Tensor:
    """For each atom of the targets, the nearest of its source's: group, node, channel, [3, P].

    Args:
        graph: The atoms.
        source: Sending block of each edge, [e].
        target: Receiving block, [e].
        group: Number of each channel of the receiving blocks as a group, [e, C].
        nearest: Atoms of the source for each.
    """
    mask, coords = graph.channel_mask, graph.coords.detach().double()
    distance = (coords[target].unsqueeze(2) - coords[source].unsqueeze(1)).norm(dim=-1)
    distance = distance.masked_fill(~mask[source].unsqueeze(1), torch.inf)
    distance, channel = distance.sort(dim=2, stable=True)
    found = distance[..., :nearest].isfinite() & mask[target].unsqueeze(2)
    edge, slot, rank = found.nonzero(as_tuple=True)
    return torch.stack([group[edge, slot], source[edge], channel[edge, slot, rank]])


class GET(Encoder):
    """GET (Kong et al., ICML 2024) on residues and ligand atoms as blocks of atoms.

    Atoms have features and coordinates. In every layer each atom attends to the nearest atoms of
    each neighbouring block and to these blocks; then its features and its place in its block
    change; a norm over the structure follows each of the two. A node's features are the sum of its
    atoms', scaled to length 1.

    Args:
        hidden_dim: Width of the atoms' features.
        radial_dim: Width of queries, keys and values, all heads together.
        num_layers: Number of layers.
        num_heads: Heads; must divide the two widths and ``num_gaussians``.
        num_gaussians: Gaussians of a distance.
        cutoff: Distance at which they end, in units of ``unit``; norms change the scale.
        edge_dim: Width of the embedding of an edge's relation.
        nearest_atoms: Atoms of a neighbouring block that an atom attends to.
        unit: Coordinates are divided by this at the start, Å.
        dropout: Dropout of the feed-forward networks.
        view: The graph of blocks. Its edges are told apart by relation, and by whether they join
            the same entity (protein, partner, ligand); each block has an edge from itself too.

    Raises:
        ValueError: ``num_heads`` does not divide the widths.
    """

    paper = "Kong et al., GET, ICML 2024, arXiv 2306.01474"

    def __init__(
        self,
        hidden_dim: int = 128,
        radial_dim: int = 16,
        num_layers: int = 3,
        num_heads: int = 4,
        num_gaussians: int = 16,
        cutoff: float = 7.0,
        edge_dim: int = 64,
        nearest_atoms: int = 3,
        unit: float = 10.0,
        dropout: float = 0.1,
        view: GraphView = BLOCK_VIEW,
    ) -> None:
        relations = view.num_relations
        super().__init__(view, hidden_dim, NearestAtoms(nearest_atoms, relations))
        widths = (hidden_dim, radial_dim, num_gaussians)
        if any(width % num_heads for width in widths):
            raise ValueError(
                f"GET num_heads is {num_heads}, which does not divide hidden_dim, radial_dim and "
                f"num_gaussians, {widths}; change one of them"
            )
        self.unit = unit
        self.node_type = nn.Embedding(NUM_NODE_TYPES, hidden_dim)
        self.element = nn.Embedding(NUM_ELEMENT_CLASSES, hidden_dim)
        self.slot = nn.Embedding(NUM_CHANNELS + 1, hidden_dim)
        self.entity = nn.Embedding(NUM_ENTITIES, hidden_dim)
        self.edge_embedding = nn.Embedding(2 * relations + 1, edge_dim)
        self.attention = nn.ModuleList(
            BilevelAttention(hidden_dim, radial_dim, num_heads, num_gaussians, cutoff, edge_dim)
            for _ in range(num_layers)
        )
        self.feed_forward = nn.ModuleList(
            BlockFeedForward(hidden_dim, num_gaussians, dropout) for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(
            ScaleNorm(hidden_dim, num_gaussians, cutoff) for _ in range(2 * num_layers)
        )

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, hidden_dim]."""
        h, _ = self.encode(graph)
        block = self.prepared(graph)["block"]
        return F.normalize(segment_sum(h, block, len(graph.pos)), dim=-1)

    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        """``coords``: the moved atoms [U, 3] Å, by node and channel, without padding."""
        return Equivariant(positions={"coords": self.encode(graph)[1]})

    def encode(self, graph: ProteinGraph) -> tuple[Tensor, Tensor]:
        """Features [U, hidden_dim] and coordinates [U, 3], Å, of all atoms."""
        known = self.prepared(graph)
        lists = {name: known[name] for name in Bilevel._fields if name in known}
        pairs = Bilevel(**lists, num_blocks=len(graph.pos))
        atom, block, owner, num = known["atom"], pairs.block, pairs.graph, len(pairs.atoms)
        h = self._atoms(graph, atom, block)
        z = graph.coords.flatten(0, 1).index_select(0, atom)
        z = z.to(torch.promote_types(h.dtype, torch.float32))
        middle = segment_mean(z, owner, num).index_select(0, owner)
        z = (z - middle) / self.unit
        edge = self.edge_embedding(known["relation"])
        scale = torch.ones(num, dtype=z.dtype, device=z.device)
        for number, (attend, change) in enumerate(
            zip(self.attention, self.feed_forward, strict=True)
        ):
            h, z = attend(h, z, edge, pairs)
            h, z, first = self.norms[2 * number](h, z, pairs)
            h, z = change(h, z, pairs)
            h, z, second = self.norms[2 * number + 1](h, z, pairs)
            scale = scale * first * second
        centre = segment_mean(z, owner, num).index_select(0, owner)
        z = centre + (z - centre) / scale.index_select(0, owner).unsqueeze(1)
        return h, middle + self.unit * z

    def _atoms(self, graph: ProteinGraph, atom: Tensor, block: Tensor) -> Tensor:
        """First features of the atoms, [U, hidden_dim]."""
        of_node = self.node_type(graph.node_type) + self.entity(graph.entity)
        polymer = torch.zeros_like(graph.node_type).index_fill(0, graph.polymer_node, 1)
        slot = atom - block * graph.channel_mask.shape[1]
        slot = torch.where(polymer.index_select(0, block) == 1, slot, LIGAND_SLOT)
        element = graph.channel_type.flatten().index_select(0, atom)
        return of_node.index_select(0, block) + self.element(element) + self.slot(slot)
