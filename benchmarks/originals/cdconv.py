"""CDConv's convolutions, blocks and pooling."""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines import CDConv
from baselines.cdconv import chain_frames
from hemenet_lab.graphs import ProteinGraph, node_batch
from hemenet_lab.store import Entry
from originals.clone import Original, Sides, graph_of, published, typed
from originals.stand_ins import radius


class Network(nn.Module):
    """The authors' network without its classifier; each residue takes its pool's features."""

    def __init__(self, ours: CDConv, model: Any) -> None:
        super().__init__()
        self.embedding = deepcopy(ours.embedding)
        self.layers, self.pool = model.layers, model.local_mean_pool

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features, for a single chain without gaps."""
        x, batch = self.embedding(graph), node_batch(graph)
        # they divide by whole numbers: a float sequence keeps the precision
        seq = graph.sequence_index.unsqueeze(1).to(x.dtype)
        points = (graph.pos, seq, chain_frames(graph), batch)
        for number, layer in enumerate(self.layers):
            x = layer(x, *points)
            if number % 2 and number < len(self.layers) - 1:
                x, *points = self.pool(x, *points)
        half = graph.sequence_index // 2 ** (len(self.layers) // 2 - 1)
        return x[torch.unique(half, return_inverse=True)[1]]


def make(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder and the authors' network, with the same embedding."""
    modules, models = import_module("modules"), import_module("models")
    if not hasattr(import_module("torch_cluster"), "__file__"):
        # the installed torch_geometric looked for the package before
        modules.radius = radius
    ours = published("cdconv", dropout=0.0)
    model = models.Model(
        geometric_radii=[8.0, 12.0, 16.0, 20.0],
        sequential_kernel_size=21,
        kernel_channels=[32],
        channels=[256, 512, 1024, 2048],
        base_width=16,
        embedding_dim=16,
        dropout=0.0,
    )
    for number, layer in enumerate(model.layers):
        block = getattr(ours.levels[number // 2], ("first", "second")[number % 2])
        state = layer.state_dict()
        block.load_state_dict({k.replace(".module.", "."): v for k, v in state.items()})
    graph = graph_of(ours, entry, exact)
    theirs = Network(ours, model)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda net: (net(graph),))


ORIGINAL = Original(
    repository="hehefan/Continuous-Discrete-Convolution",
    commit="baaf9e1",
    licence="MIT",
    file="modules.py",
    layers="the network for enzyme classes without its classifier, 8 blocks; alpha carbons",
    make=make,
    remark="the original looks for neighbours in each of its eight layers, by a stand-in of "
    "torch_cluster's radius if that is not installed; ours does once per level and batch",
)
