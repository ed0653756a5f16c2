"""GearNet, as in torchdrug and as in the authors' own repository: two different models."""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from baselines import RelationalEdges
from hemenet_lab.store import Entry
from originals.clone import Original, Sides, bare, graph_of, published, typed

WIDTHS = [512] * 6
NUM_RELATIONS = 7


class Stack(nn.Module):
    """The authors' network on ready-made features, called as our stack of layers is."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.graph: Any = None

    def forward(self, h: Tensor, edges: RelationalEdges, pos: Tensor, *_: None) -> Tensor:
        """[N, 42] → [N, 3072]; their graph, which is made once, is an object with these names."""
        if self.graph is None:
            parts = (edges.source, edges.target, edges.relation)
            self.graph = SimpleNamespace(
                edge_list=torch.stack(parts, dim=1),
                edge_weight=h.new_ones(len(edges.source)),
                num_node=len(h),
                num_relation=NUM_RELATIONS,
                node_position=pos,
                atom2residue=torch.arange(len(h)),
                node2graph=torch.zeros(len(h), dtype=torch.long),
                batch_size=1,
            )
        features: Tensor = self.net(self.graph, h)["node_feature"]
        return features


class SumReadout(nn.Module):
    """In the place of torchdrug's, for the authors' repository: the sum over one structure."""

    def forward(self, graph: Any, h: Tensor) -> Tensor:
        return h.sum(0, keepdim=True)


def make_torchdrug(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder, and the same with torchdrug's network."""
    place = folder / "torchdrug"
    layers = _bare_torchdrug(place / "layers")
    bare("torchdrug.layers.functional", place / "layers" / "functional")
    conv = import_module("torchdrug.layers.conv")
    layers.GeometricRelationalGraphConv = conv.GeometricRelationalGraphConv
    layers.SumReadout = import_module("torchdrug.layers.readout").SumReadout
    bare("torchdrug.models", place / "models")
    module = import_module("torchdrug.models.gearnet")
    net = module.GeometryAwareRelationalGraphNeuralNetwork(
        *(42, WIDTHS, NUM_RELATIONS), short_cut=True, batch_norm=True, concat_hidden=True
    )
    return _sides(net, entry, exact)


def make(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder in its other form, and the same with the network of the authors' repository."""
    _bare_torchdrug(folder).SumReadout = SumReadout
    net = import_module("gearnet.model").GearNetIEConv(
        *(42, 0, WIDTHS, NUM_RELATIONS), batch_norm=True, concat_hidden=True, layer_norm=True
    )
    return _sides(net, entry, exact, implementation="gearnet", layer_norm=True)


def _bare_torchdrug(layers: Path) -> Any:
    """Packages of torchdrug without their content but for names that a model needs to be defined.

    All of it imports compiled extensions, chemistry and plots, which no layer here uses.

    Args:
        layers: Where modules of the package of layers are.

    Returns:
        That package, which is empty.
    """
    bare("torchdrug", layers.parent)
    registry = SimpleNamespace(register=lambda _: lambda made: made)
    configurable = type("Configurable", (), {})
    bare("torchdrug.core", layers, Configurable=configurable, Registry=registry)
    bare("torchdrug.data", layers)
    bare("torchdrug.utils", layers, sparse_coo_tensor=torch.sparse_coo_tensor)
    return bare("torchdrug.layers", layers)


def _sides(net: Any, entry: Entry, exact: bool, **options: Any) -> Sides:
    ours = published("gearnet", **options)
    theirs = deepcopy(ours)
    ours.stack.load_state_dict(net.state_dict())
    theirs.stack = Stack(net)
    graph = graph_of(ours, entry, exact)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda each: (each(graph),))


TORCHDRUG = Original(
    repository="DeepGraphLearning/torchdrug",
    commit="6066fbd",
    licence="Apache-2.0",
    file="torchdrug/models/gearnet.py",
    layers="GearNet without edge messages, six layers of 512; alpha carbons",
    make=make_torchdrug,
    remark="the package itself stops with today's RDKit, which has no mplCanvas: its network runs "
    "without it",
)
GEARNET = Original(
    repository="DeepGraphLearning/GearNet",
    commit="28bf75f",
    licence="MIT",
    file="gearnet/model.py",
    layers="`GearNetIEConv` without IEConv and edge messages, six layers of 512; alpha carbons",
    make=make,
    remark="torchdrug, which it imports and which stops with today's RDKit, is replaced by the few "
    "names that the network needs",
)
