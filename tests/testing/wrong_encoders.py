"""A small sound encoder, and others with one fault each, which the suite must find."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hemenet_lab.encoders.base import Encoder, Equivariant
from hemenet_lab.graphs.graph import ProteinGraph, node_batch
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.nn.segment import segment_mean, segment_sum
from hemenet_lab.store.entry import LIGAND
from hemenet_lab.structures import NUM_ELEMENT_CLASSES, NUM_NODE_TYPES

WIDTH = 8


class Sound(Encoder):
    """One layer of message passing on distances, with a mean over real channels."""

    def __init__(self, view: GraphView = GraphView()) -> None:  # noqa: B008 - frozen
        super().__init__(view, WIDTH)
        self.node = nn.Embedding(NUM_NODE_TYPES, WIDTH)
        self.channel = nn.Embedding(NUM_ELEMENT_CLASSES, WIDTH)
        self.relation = nn.Embedding(view.num_relations, WIDTH)
        self.message = nn.Sequential(nn.Linear(2 * WIDTH + 2, WIDTH), nn.SiLU())
        self.norm = nn.BatchNorm1d(WIDTH)
        self.output = nn.Linear(WIDTH, WIDTH)

    def forward(self, graph: ProteinGraph) -> Tensor:
        h = self.node(graph.node_type) + self._channels(graph)
        total = segment_sum(self._messages(h, graph), graph.edge_index[1], len(h))
        return self.output(h + self.norm(total)) + self.fault(graph, h)

    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        """What a wrong encoder adds to the node features."""
        return torch.zeros_like(h)

    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        vector = _offsets(graph)
        pull = segment_mean(
            vector * vector.norm(dim=1, keepdim=True), graph.edge_index[1], _n(graph)
        )
        return Equivariant({"moved": graph.coords + pull[:, None]}, {"pull": pull})

    def _channels(self, graph: ProteinGraph) -> Tensor:
        distance = (graph.coords - graph.pos[:, None]).square().sum(-1, keepdim=True)
        each = self.channel(graph.channel_type) * (1 + distance)
        mask = graph.channel_mask.unsqueeze(-1)
        return torch.where(mask, each, 0.0).sum(1) / mask.sum(1)

    def _messages(self, h: Tensor, graph: ProteinGraph) -> Tensor:
        source, target = graph.edge_index
        squared = _offsets(graph).square().sum(1, keepdim=True) / 100
        message = self.message(
            torch.cat([h[source], h[target], squared, squared.exp() ** -1], dim=1)
        )
        return message * self.relation(graph.edge_type)


def _n(graph: ProteinGraph) -> int:
    return len(graph.pos)


def _offsets(graph: ProteinGraph) -> Tensor:
    source, target = graph.edge_index
    return graph.pos[source] - graph.pos[target]


def _spread(x: Tensor, group: Tensor, groups: int) -> Tensor:
    """Unbiased variance within each group, NaN for groups of one."""
    mean = segment_mean(x, group, groups)[group]
    count = segment_sum(torch.ones_like(x), group, groups)
    return segment_sum((x - mean) ** 2, group, groups) / (count - 1)


class Directional(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        along_x = _offsets(graph)[:, :1].square()
        return h + segment_sum(along_x, graph.edge_index[1], _n(graph))


class QuietlyDirectional(Directional):
    """The fault is multiplied by 0 in a fresh encoder, but not for long in training."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(WIDTH))

    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return self.strength * super().fault(graph, h)


class Handed(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        d = _offsets(graph) / 10
        size = d.square().sum(1, keepdim=True)
        sums = [segment_sum(d * size**k, graph.edge_index[1], _n(graph)) for k in range(3)]
        return h * torch.linalg.det(torch.stack(sums, dim=1)).unsqueeze(1)


class DeclaredHanded(Handed):
    symmetry = "SE(3)"


class Anchored(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return h * graph.pos.norm(dim=1, keepdim=True)


class Counting(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        owner = node_batch(graph)
        starts = torch.searchsorted(owner, owner)
        return h * (torch.arange(_n(graph)) - starts).unsqueeze(1)


class Coupled(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return h * graph.node_type.to(h).mean()


class Leaking(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return h * (graph.pos.sum() - graph.pos.sum().detach())


class PaddingRead(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return h * graph.channel_type.sum(1, keepdim=True)


class PaddingMoved(Sound):
    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        empty = ~graph.channel_mask[:, -1:]
        return Equivariant(vectors={"last": torch.where(empty, graph.coords[:, -1], 0.0)})


class ChainSpread(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        chain = graph.polymer_chain
        spread = _spread(h[graph.polymer_node], chain, int(chain.max()) + 1)
        return torch.zeros_like(h).index_add(0, graph.polymer_node, spread[chain].to(h.dtype))


class LigandSpread(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        node = (graph.entity == LIGAND).nonzero().flatten()
        owner = node_batch(graph)
        spread = _spread(h[node], owner[node], int(owner.max()) + 1)[owner[node]]
        return torch.zeros_like(h).index_add(0, node, spread.to(h.dtype))


class Averaging(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        source, target = graph.edge_index
        count = segment_sum(torch.ones_like(target, dtype=h.dtype), target, _n(graph))
        return segment_sum(h[source], target, _n(graph)) / count.unsqueeze(1)


class CrookedVectors(Sound):
    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        return Equivariant(vectors={"pull": super().equivariant(graph).vectors["pull"].abs()})


class RotatedPositions(Sound):
    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        return Equivariant(positions={"moved": 1.1 * graph.coords})


class ReorderedVectors(Sound):
    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        pull = super().equivariant(graph).vectors["pull"]
        return Equivariant(vectors={"pull": pull[node_batch(graph).argsort(stable=True).flip(0)]})


class RootOfZero(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return h + (graph.pos - graph.pos).square().sum(1, keepdim=True).sqrt()


class Overflowing(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return (h + 100).exp() / (h + 100).exp()


class WrongDtype(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        source, target = graph.edge_index
        return torch.zeros_like(h).index_add(0, target, self.output(h)[source])


class Unused(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)


class Forgetful(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.randn(1, dtype=torch.float64)

    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return h * self.scale.to(h)


class Misdeclared(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.out_dim = WIDTH + 1


class Overwriting(Sound):
    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        graph.sequence_index.add_(1)
        return torch.zeros_like(h)


class Breaking(Sound):
    """Reads from a tensor whether there are edges at all, which stops a GPU's queue."""

    def fault(self, graph: ProteinGraph, h: Tensor) -> Tensor:
        return torch.zeros_like(h) if bool(graph.edge_type.sum() >= 0) else h
