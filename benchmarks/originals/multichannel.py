"""Layers on nodes of several atoms: HeMeNet's and dyMEAN's."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines import DyMEANLayer
from hemenet_lab.encoders import ChannelGraph, HeMeNetLayer
from hemenet_lab.store import Entry
from hemenet_lab.testing.checks.released import batch_norm_names, released_epsilon
from originals.clone import (
    Original,
    Sides,
    bare,
    graph_of,
    published,
    typed,
    wider,
    without_dropout,
)


class Stack(nn.Module):
    """The authors' HeMeNet on ready-made features, called as our stack of layers is."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        h: Tensor,
        coords: Tensor,
        shared: ChannelGraph,
        channel_embedding: Tensor,
        edge_embedding: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Features [N, 1536] and coordinates [N, C, 3]."""
        edges = torch.stack([shared.source, shared.target, shared.relation], dim=1)
        attributes, weights = shared.channels @ channel_embedding, shared.mask.to(h.dtype)
        ones = h.new_ones(len(edges))
        edge = shared.edge_attr @ edge_embedding
        features, moved = self.net(h, edges, coords, attributes, weights, ones, edge)
        return features, moved


class Layer(nn.Module):
    """dyMEAN's layer, called as ours is; it names the receiver first."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, h: Tensor, coords: Tensor, shared: ChannelGraph, channel_embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Features [N, 128] and coordinates [N, C, 3]."""
        edges, weights = (shared.target, shared.source), shared.mask.to(h.dtype)
        attributes = shared.channels @ channel_embedding
        features, moved = self.layer(h, edges, coords, attributes, weights)
        return features, moved


def make_hemenet(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder, and the same with the authors' network."""
    _bare_gmsl(folder)
    ours = published("hemenet", final_coords=True)
    theirs = deepcopy(ours)
    options = {"batch_norm": True, "concat_hidden": True, "layer_norm": True}
    net = import_module("gmsl.basemodels.hemenet").HemeNet(
        *(256, 256, [256] * 6, ours.num_relations, ours.view.num_channels, 128, 128), **options
    )
    ours.stack.load_state_dict(batch_norm_names(net.state_dict()))
    theirs.stack = without_dropout(Stack(net))
    if exact:
        for layer in ours.stack.layers:
            _as_released(layer)
    graph = graph_of(ours, entry, exact)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda each: each.encode(graph))


def _bare_gmsl(folder: Path) -> None:
    """The packages of the clone without their own imports, and the names that layers need."""
    for name in ("gmsl", "gmsl.convs", "gmsl.basemodels"):
        bare(name, folder.joinpath(*name.split(".")))
    utils = bare("utils", folder / "utils", singleton=_singleton)
    sums = import_module("utils.multi_channel_agg")
    utils.unsorted_segment_sum = sums.unsorted_segment_sum
    utils.unsorted_segment_mean = sums.unsorted_segment_mean


def _singleton(kind: Any) -> Any:
    """A function that makes an object once; here anew for other arguments, such as a dtype."""
    made: dict[Any, Any] = {}
    return lambda *key: made[key] if key in made else made.setdefault(key, kind(*key))


def _as_released(layer: HeMeNetLayer) -> None:
    """Makes our layer compute what the release does, its ε and drifting padding included."""
    layer.epsilon = partial(released_epsilon, eps=layer.eps)  # type: ignore[method-assign]
    layer.centroid_eps, layer.move_padding = layer.eps, True


def make_dymean(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder, and the same with the authors' layers."""
    for name in ("models", "models.modules", "utils"):
        bare(name, folder.joinpath(*name.split(".")))
    module = wider(import_module("models.modules.am_egnn"), exact)
    ours = published("dymean", variant="dymean")
    # theirs moves the atoms in every layer
    channels = ours.view.num_channels
    ours.layers[-1] = DyMEANLayer(128, channels, 128, dropout=0.0)
    theirs = deepcopy(ours)
    for number, mine in enumerate(ours.layers):
        layer = module.AM_E_GCL(128, 128, 128, channels, 128, 128, dropout=0.0)
        mine.load_state_dict(layer.state_dict())
        theirs.layers[number] = Layer(layer)
    graph = graph_of(ours, entry, exact)

    def run(net: nn.Module) -> tuple[Tensor, ...]:
        features, coords = net.encode(graph)
        return features, coords[graph.channel_mask]

    return Sides(typed(ours, exact), typed(theirs, exact), run)


HEMENET = Original(
    repository="hanrthu/GMSL",
    commit="98eef2e",
    licence="MIT",
    file="gmsl/basemodels/hemenet.py",
    layers="`HemeNet`, six layers of 256; residues with 14 channels",
    make=make_hemenet,
    remark="its own model stops, as it reads use_esm before it is set: the network runs without "
    "it. The difference is that of the released computation, whose ε and moving padding are "
    "options of our layer; times are of ours as it is used",
)
DYMEAN = Original(
    repository="THUNLP-MT/dyMEAN",
    commit="0c2c905",
    licence="MIT",
    file="models/modules/am_egnn.py",
    layers="`AM_E_GCL` × 3 in the encoder's place of its layers; residues with 14 channels",
    make=make_dymean,
)
