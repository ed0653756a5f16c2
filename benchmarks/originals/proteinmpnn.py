"""ProteinMPNN's encoder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from baselines.common import node_chain
from baselines.proteinmpnn import BACKBONE
from hemenet_lab.graphs import ProteinGraph
from hemenet_lab.store import Entry
from originals.clone import Original, Sides, graph_of, published, typed


class Network(nn.Module):
    """The authors' features and encoder, up to where their decoder begins."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        # by our names first, so that their gradients are compared with ours
        self.norm_edges = model.features.norm_edges
        self.edge_embedding = model.features.edge_embedding
        self.edge_input = model.W_e
        self.features, self.layers = model.features, model.encoder_layers

    def backbone(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, 128], zeros for residues without a whole backbone."""
        atoms = graph.coords[:, :BACKBONE].to(self.edge_input.weight.dtype).unsqueeze(0)
        mask = graph.channel_mask[:, :BACKBONE].all(1).to(atoms.dtype).unsqueeze(0)
        place, chain = graph.sequence_index.unsqueeze(0), node_chain(graph).unsqueeze(0)
        edge, near = self.features(atoms, mask, place, chain)
        h, edge = edge.new_zeros(*mask.shape, edge.shape[-1]), self.edge_input(edge)
        attended = mask.unsqueeze(-1) * mask[0][near]
        for layer in self.layers:
            h, edge = layer(h, edge, near, mask, attended)
        return h.squeeze(0)


def make(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder and the authors', with random weights."""
    module = import_module("protein_mpnn_utils")
    model = module.ProteinMPNN(*(21, 128, 128, 128), k_neighbors=48, augment_eps=0.0, dropout=0.0)
    # they make it float32, whatever the weights are
    model.features.embeddings.linear.register_forward_pre_hook(_as_weights)
    ours = published("proteinmpnn", weights="none", frozen=False, dropout=0.0)
    with TemporaryDirectory() as temporary:
        file = Path(temporary, "weights.pt")
        torch.save({"model_state_dict": model.state_dict()}, file)
        ours.load_published(file)
    graph = graph_of(ours, entry, exact)
    theirs = Network(model)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda net: (net.backbone(graph),))


def _as_weights(layer: nn.Module, given: tuple[Tensor]) -> Tensor:
    return given[0].to(layer.weight.dtype)


ORIGINAL = Original(
    repository="dauparas/ProteinMPNN",
    commit="8907e66",
    licence="MIT",
    file="protein_mpnn_utils.py",
    layers="features and encoder, three layers of 128; residues",
    make=make,
    remark="the original also changes the edges in its last layer, which only its decoder reads",
)
