"""GET's network on atoms and blocks."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines import GET
from hemenet_lab.graphs import ProteinGraph
from hemenet_lab.store import Entry
from originals.clone import Original, Sides, bare, graph_of, published, typed, wider


class Network(GET):
    """The authors' network with our embeddings in front of it."""

    def __init__(self, ours: GET, net: Any) -> None:
        super().__init__()
        self.load_state_dict(ours.state_dict())
        del self.attention, self.feed_forward, self.norms
        self.net = net
        self.edges: Any = None

    def encode(self, graph: ProteinGraph) -> tuple[Tensor, Tensor]:
        """Features [U, 128] and coordinates [U, 3] Å of all atoms."""
        known = self.prepared(graph)
        if self.edges is None:
            source, target, _ = self.preparation._edges(graph)
            self.edges = torch.stack([target, source])
        atom, block = known["atom"], known["block"]
        z = graph.coords.flatten(0, 1)[atom].unsqueeze(1)
        middle = z.mean(0, keepdim=True)
        h, z = self.net(
            self._atoms(graph, atom, block),
            (z - middle) / self.unit,
            block,
            torch.zeros(len(graph.pos), dtype=torch.long),
            self.edges,
            self.edge_embedding(known["relation"]),
        )
        return h, (middle + self.unit * z).squeeze(1)


def make(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder, and the authors' network with the same embeddings."""
    for name in ("models", "models.GET", "models.GET.modules", "utils"):
        bare(name, folder.joinpath(*name.split(".")))
    ours = published("get", dropout=0.0)
    module = wider(import_module("models.GET.modules.get"), exact)
    net = module.GET(
        *(128, 16, 1), n_rbf=16, cutoff=7.0, d_edge=64, n_layers=3, n_head=4, dropout=0.0
    )
    _load(ours.attention, net, "layer_{}")
    _load(ours.feed_forward, net, "ffn_{}")
    _load(ours.norms[::2], net, "layernorm0_{}")
    _load(ours.norms[1::2], net, "layernorm1_{}")
    graph = graph_of(ours, entry, exact)
    theirs = Network(ours, net)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda each: each.encode(graph))


def _load(mine: Any, net: Any, name: str) -> None:
    """Copies the weights of modules with these names; Gaussians have none."""
    for number, module in enumerate(mine):
        state = net.get_submodule(name.format(number)).state_dict()
        state = {key: value for key, value in state.items() if not key.startswith("rbf.")}
        if "sigma" in state:
            state["sigma"] = state["sigma"].flatten()
        module.load_state_dict(state, strict=False)


ORIGINAL = Original(
    repository="THUNLP-MT/GET",
    commit="ce68ea8",
    licence="MIT",
    file="models/GET/modules/get.py",
    layers="`GET`, three layers of 128; residues as blocks of atoms",
    make=make,
    remark="the original finds the nearest atoms of each pair of blocks in its forward pass, ours "
    "once per batch",
)
