"""GVP-GNN: scalar and vector features on residues with backbone geometry, or on atoms.

Jing et al., "Learning from Protein Structure with Geometric Vector Perceptrons", ICLR 2021. A
feature that needs an atom which is not there, or a residue beyond a chain's end or gap, is 0.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.common import NodeEmbedding, node_chain, sequence_neighbor, unit
from baselines.gvp_layer import Activations, GVPConvLayer, Pair, PairNorm, VectorPerceptron
from hemenet_lab.encoders import Encoder, Equivariant
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import safe_norm
from hemenet_lab.structures import BACKBONE, UNKNOWN_RESIDUE

RESIDUE_VIEW = GraphView(nodes="residue", k=30, k_min_separation=0, sequence_offsets=())
"""The GVP paper's graph: 30 nearest residues, those along the chain included."""

NUM_POSITIONAL = 16
NUM_DIHEDRAL_FEATURES = 6
NUM_DIRECTIONS = 3

_N, _CA, _C = (BACKBONE.index(name) for name in ("N", "CA", "C"))

_PUBLISHED = {
    "W_v.": "embed_nodes.",
    "W_e.": "embed_edges.",
    "W_out.": "out.",
    "layers.": "layers.",
}
_SEQUENCE = "W_s.weight"


class GVP(Encoder):
    """GVP-GNN (Jing et al., ICLR 2021), with the vector gate of arXiv 2106.03843.

    On residues, nodes carry the backbone dihedrals and three directions, and edges a unit vector,
    Gaussians of the Cα distance and the distance along the chain; dihedrals and the side-chain
    direction tell a structure from its mirror image, hence SE(3). On atoms, as in the ATOM3D model
    of gvp-pytorch, nodes carry types and edges unit vector and Gaussians; that is E(3).

    Args:
        hidden_dim: Scalars of a node, the width of the output.
        num_layers: Number of layers.
        vector_dim: Vectors of a node.
        edge_dim: Scalars of an edge.
        edge_vector_dim: Vectors of an edge.
        vector_gate: Gates vectors by scalars; otherwise the sigmoid of their length does.
        num_radial: Gaussians of the edge length.
        radial_max: Centre of the last Gaussian, Å; if not given 20 for residues, and for atoms the
            view's radius (4.5 if it has none).
        embedding_dim: Width of the type embedding among the input scalars.
        dropout: Dropout in the layers.
        element_only: Nodes see their element class alone; otherwise residue type, element, entity.
        view: Graph of residues or atoms.
    """

    symmetry: ClassVar[Literal["E(3)", "SE(3)"]] = "SE(3)"
    view_nodes = ("residue", "atom")
    paper = "Jing et al., ICLR 2021, arXiv 2009.01411 and 2106.03843"

    def __init__(
        self,
        hidden_dim: int = 128,
        num_layers: int = 3,
        vector_dim: int = 16,
        edge_dim: int = 16,
        edge_vector_dim: int = 1,
        vector_gate: bool = True,
        num_radial: int = 16,
        radial_max: float | None = None,
        embedding_dim: int = 20,
        dropout: float = 0.1,
        element_only: bool = False,
        view: GraphView = RESIDUE_VIEW,
    ) -> None:
        super().__init__(view, hidden_dim)
        if vector_dim < 1:
            raise ValueError(f"GVP vector_dim is {vector_dim}; it must be 1 or more")
        self.backbone = view.nodes == "residue"
        self.num_radial = num_radial
        self.radial_max = radial_max or (20.0 if self.backbone else view.radius or 4.5)
        self.embedding = NodeEmbedding(embedding_dim, element_only)
        nodes, edges = (embedding_dim, 0), (num_radial, 1)
        if self.backbone:
            nodes = (NUM_DIHEDRAL_FEATURES + embedding_dim, NUM_DIRECTIONS)
            edges = (num_radial + NUM_POSITIONAL, 1)
        node_dims, edge_dims = (hidden_dim, vector_dim), (edge_dim, edge_vector_dim)
        activations: Activations = (F.relu, None if vector_gate else torch.sigmoid)
        plain: Activations = (None, None)
        self.embed_nodes = nn.Sequential(
            PairNorm(nodes), VectorPerceptron(nodes, node_dims, None, plain, vector_gate)
        )
        self.embed_edges = nn.Sequential(
            PairNorm(edges), VectorPerceptron(edges, edge_dims, None, plain, vector_gate)
        )
        self.layers = nn.ModuleList(
            GVPConvLayer(
                node_dims,
                edge_dims,
                dropout=dropout,
                activations=activations,
                vector_gate=vector_gate,
            )
            for _ in range(num_layers)
        )
        self.out = nn.Sequential(
            PairNorm(node_dims),
            VectorPerceptron(node_dims, (hidden_dim, 0), None, activations, vector_gate),
        )

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, hidden_dim]."""
        return self.out(self._encode(graph))[0]

    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        """The nodes' vectors after the last layer, ``node_vectors`` [N, vector_dim, 3]."""
        return Equivariant(vectors={"node_vectors": self._encode(graph)[1]})

    def _encode(self, graph: ProteinGraph) -> Pair:
        x = self.embed_nodes(self._node_features(graph))
        edge = self.embed_edges(self._edge_features(graph))
        for layer in self.layers:
            x = layer(x, graph.edge_index, edge)
        return x

    def _node_features(self, graph: ProteinGraph) -> Pair:
        """Scalars and vectors of the nodes."""
        s = self.embedding(graph)
        if not self.backbone:
            return s, graph.pos.new_zeros(len(s), 0, 3)
        return torch.cat([dihedral_features(graph), s], dim=-1), direction_features(graph)

    def _edge_features(self, graph: ProteinGraph) -> Pair:
        """Scalars and the unit vector (from target to source) of the edges."""
        source, target = graph.edge_index
        step = graph.pos[source] - graph.pos[target]
        s = radial_features(safe_norm(step), self.num_radial, self.radial_max)
        if self.backbone:
            s = torch.cat([s, positional_features(graph, NUM_POSITIONAL)], dim=-1)
        return s, unit(step).unsqueeze(1)

    def load_gvp_pytorch(self, state_dict: dict[str, Tensor]) -> None:
        """Loads the weights of gvp-pytorch's ``MQAModel`` (residues) or ATOM3D ``BaseModel``.

        Names: ``W_v`` → ``embed_nodes``, ``W_e`` → ``embed_edges``, ``layers`` as it is, ``W_out``
        → ``out``; ``W_s`` (20 residues, in the order of `vocabulary.ONE_LETTER`) becomes the type
        embedding, those of element and entity then start from 0. The final ``dense`` and the
        element table ``embed`` of ATOM3D (other classes than here) have no counterpart and stay
        out. The widths must agree: for an ``MQAModel`` with sequence input, ``embedding_dim`` 20
        and ``vector_gate`` off.

        Raises:
            ValueError: Weights that do not fit these settings, or that this encoder lacks. Nothing
                is changed then.
        """
        mine, loaded = self.state_dict(), {}
        for name, value in state_dict.items():
            prefix = next((known for known in _PUBLISHED if name.startswith(known)), None)
            # gvp-pytorch keeps an empty parameter in each module to know its device
            if prefix and not name.endswith("dummy_param"):
                loaded[_PUBLISHED[prefix] + name.removeprefix(prefix)] = value
        wanted = {name for name in mine if not name.startswith("embedding.")}
        wrong = sorted(wanted ^ set(loaded)) or sorted(
            name for name in loaded if loaded[name].shape != mine[name].shape
        )
        if wrong:
            raise ValueError(
                f"these weights do not fit GVP(hidden_dim={self.out_dim}): "
                f"{', '.join(wrong[:5])} missing, unknown or of another shape; give the encoder "
                "the widths, number of layers and vector_gate of the checkpoint"
            )
        if _SEQUENCE in state_dict:
            self._load_residues(state_dict[_SEQUENCE])
        self.load_state_dict(loaded, strict=False)

    def _load_residues(self, table: Tensor) -> None:
        """Takes over the published residue embedding [20, embedding_dim]."""
        embedding = self.embedding
        if embedding.node_type is None or embedding.entity is None:
            raise ValueError("W_s needs residue types as input; set element_only to false")
        if table.shape != (UNKNOWN_RESIDUE, embedding.node_type.embedding_dim):
            raise ValueError(
                f"W_s has shape {tuple(table.shape)}; set embedding_dim to its width, and its rows "
                f"must be the {UNKNOWN_RESIDUE} residues"
            )
        with torch.no_grad():
            embedding.node_type.weight[:UNKNOWN_RESIDUE] = table
            embedding.element.weight.zero_()
            embedding.entity.weight.zero_()


def dihedral(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Cosine and sine [..., 2] of the angle a-b-c-d of points [..., 3]; 0, 0 where undefined."""
    ab, bc, cd = b - a, c - b, d - c
    first = torch.linalg.cross(ab, bc, dim=-1)
    second = torch.linalg.cross(bc, cd, dim=-1)
    cosine = (first * second).sum(-1)
    sine = (torch.linalg.cross(first, second, dim=-1) * unit(bc)).sum(-1)
    angle = torch.stack([cosine, sine], dim=-1)
    length = safe_norm(angle, keepdim=True)
    return angle / torch.where(length > 0, length, 1.0)


def dihedral_features(graph: ProteinGraph) -> Tensor:
    """Cosines, then sines, of φ, ψ and ω of each residue, [N, 6].

    ω is that of the bond to the next residue, as in the published code.
    """
    before, has_before = sequence_neighbor(graph, -1)
    after, has_after = sequence_neighbor(graph, +1)
    x, mask = graph.coords, graph.channel_mask
    n, ca, c = x[:, _N], x[:, _CA], x[:, _C]
    backbone = mask[:, _N] & mask[:, _CA] & mask[:, _C]
    has_phi = backbone & has_before & mask[before, _C]
    has_psi = backbone & has_after & mask[after, _N]
    has_omega = has_after & mask[:, _CA] & mask[:, _C] & mask[after, _N] & mask[after, _CA]
    angles = torch.stack(
        [
            dihedral(c[before], n, ca, c) * has_phi.unsqueeze(-1),
            dihedral(n, ca, c, n[after]) * has_psi.unsqueeze(-1),
            dihedral(ca, c, n[after], ca[after]) * has_omega.unsqueeze(-1),
        ],
        dim=1,
    )
    return angles.transpose(1, 2).flatten(1)


def direction_features(graph: ProteinGraph) -> Tensor:
    """Unit vectors to the next and previous alpha carbon and to the side chain, [N, 3, 3]."""
    x, mask = graph.coords, graph.channel_mask
    ca, has_ca = x[:, _CA], mask[:, _CA]
    steps = []
    for step in (+1, -1):
        neighbor, found = sequence_neighbor(graph, step)
        found = found & has_ca & has_ca[neighbor]
        steps.append(unit(ca[neighbor] - ca) * found.unsqueeze(-1))
    backbone = mask[:, _N] & has_ca & mask[:, _C]
    return torch.stack([*steps, _side_chain(x) * backbone.unsqueeze(-1)], dim=1)


def _side_chain(x: Tensor) -> Tensor:
    """Unit vector [N, 3] from Cα to the place of Cβ in an ideal tetrahedron."""
    to_n, to_c = unit(x[:, _N] - x[:, _CA]), unit(x[:, _C] - x[:, _CA])
    normal = unit(torch.linalg.cross(to_c, to_n, dim=-1))
    return -math.sqrt(1 / 3) * unit(to_c + to_n) - math.sqrt(2 / 3) * normal


def radial_features(distance: Tensor, num: int, largest: float) -> Tensor:
    """Gaussians ``exp(-((d - μ)/σ)²)``, μ from 0 to ``largest`` Å, σ = largest/num; [E, num]."""
    center = torch.linspace(0.0, largest, num, dtype=distance.dtype, device=distance.device)
    return (-((distance.unsqueeze(-1) - center) * (num / largest)).square()).exp()


def positional_features(graph: ProteinGraph, num: int) -> Tensor:
    """Cosines, then sines, of the distance along the chain (source - target), [E, num].

    Zero between different chains and for ligand atoms, which have no such distance.
    """
    source, target = graph.edge_index
    chain = node_chain(graph)
    same = (chain[source] == chain[target]) & (chain[source] >= 0)
    steps = (graph.sequence_index[source] - graph.sequence_index[target]).to(graph.pos.dtype)
    power = torch.arange(0, num, 2, dtype=steps.dtype, device=steps.device)
    angle = steps.unsqueeze(-1) * (power * (-math.log(10000.0) / num)).exp()
    return torch.cat([angle.cos(), angle.sin()], dim=-1) * same.unsqueeze(-1)
