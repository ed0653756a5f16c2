"""EGNN's equivariant layers."""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hemenet_lab.store import Entry
from originals.clone import Original, Sides, graph_of, published, typed


class Layer(nn.Module):
    """The authors' layer, called as ours is."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, h: Tensor, x: Tensor, edge_index: Tensor, _: None) -> tuple[Tensor, Tensor]:
        """New features and coordinates; they name the receiver first."""
        features, coords, _ = self.layer(h, edge_index.flip(0), x)
        return features, coords


def make(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder, and the same with the authors' layers."""
    module = import_module("models.egnn_clean.egnn_clean")
    ours = published("egnn", final_coords=True)
    theirs = deepcopy(ours)
    for number, mine in enumerate(ours.layers):
        layer = module.E_GCL(256, 256, 64)
        mine.load_state_dict(layer.state_dict())
        theirs.layers[number] = Layer(layer)
    graph = graph_of(ours, entry, exact)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda net: net._run(graph))


ORIGINAL = Original(
    repository="vgsatorras/egnn",
    commit="e9ca6c0",
    licence="MIT",
    file="models/egnn_clean/egnn_clean.py",
    layers="`E_GCL` × 3 in the encoder's place of its layers; atoms",
    make=make,
)
