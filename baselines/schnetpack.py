"""SchNet as its own package computes it, for those who have schnetpack installed."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from baselines.common import ATOM_VIEW, NodeEmbedding
from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import GraphView, ProteinGraph


class SchNetPack(Encoder):
    """The representation of schnetpack 2.2 or later, on our graphs and first node features.

    `SchNet` gives the same numbers without that package; this one is the package itself. Its own
    table of atomic numbers is not used: nodes begin as in all encoders here.

    Args:
        hidden_dim: Width of the node features.
        num_layers: Number of interaction blocks.
        num_filters: Width of the filters; ``hidden_dim`` if None.
        num_gaussians: Gaussians over the distance.
        cutoff: Edges of this length or more have no weight, Å.
        element_only: Nodes see their element class alone; otherwise residue type, element, entity.
        view: Graph of atoms.

    Raises:
        ValueError: schnetpack is not installed; it needs Python 3.12.
    """

    view_nodes = ("atom",)
    paper = "Schütt et al., J. Chem. Phys. 2023, doi 10.1063/5.0138367 (schnetpack)"

    def __init__(
        self,
        hidden_dim: int = 256,
        num_layers: int = 3,
        num_filters: int | None = None,
        num_gaussians: int = 32,
        cutoff: float = 5.0,
        element_only: bool = False,
        view: GraphView = ATOM_VIEW,
    ) -> None:
        super().__init__(view, hidden_dim)
        layers, representations = _package("nn"), _package("representation")
        self.embedding = NodeEmbedding(hidden_dim, element_only)
        self.representation = representations.SchNet(
            hidden_dim,
            num_layers,
            layers.GaussianRBF(num_gaussians, cutoff),
            layers.CosineCutoff(cutoff),
            n_filters=num_filters,
            # atoms come embedded in place of their atomic numbers
            nuclear_embedding=torch.nn.Identity(),
        )

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, hidden_dim]."""
        x = self.embedding(graph)
        source, target = graph.edge_index
        step = graph.pos.index_select(0, source) - graph.pos.index_select(0, target)
        given = {
            "_atomic_numbers": x,
            "_Rij": step.to(x.dtype),
            "_idx_i": target,
            "_idx_j": source,
        }
        features: Tensor = self.representation(given)["scalar_representation"]
        return features


def _package(part: str) -> Any:
    """A module of schnetpack.

    Raises:
        ValueError: It is not installed.
    """
    try:
        return importlib.import_module(f"schnetpack.{part}")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"SchNetPack is schnetpack's own SchNet, and the module {error.name} is not installed: "
            "pip install 'hemenet-lab[schnetpack]', with Python 3.12 or later; or use SchNet, "
            "which gives the same numbers without it"
        ) from error
