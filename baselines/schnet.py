"""SchNet: continuous-filter convolutions over distances (Schütt et al. 2017)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.common import ATOM_VIEW, NodeEmbedding, edge_lengths
from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.nn import cosine_cutoff, mlp, segment_sum
from hemenet_lab.structures import ELEMENT_CLASSES

_STAND_INS = (1, 6, 7, 8, 16, 15, 17, 30, 34)
ATOMIC_NUMBERS = dict(zip(ELEMENT_CLASSES, _STAND_INS, strict=True))
"""Element class → atomic number that stands for it: chlorine, zinc and selenium for the groups."""


class ShiftedSoftplus(nn.Module):
    """ln(½ eˣ + ½), a softplus through the origin (arXiv 1706.08566)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x) - math.log(2.0)


class GaussianSmearing(nn.Module):
    """Distances in Gaussians whose centres and widths are part of the state.

    Args:
        num: Number of Gaussians, at least 2.
        cutoff: Centre of the last one, Å; the first is at 0, the width is their spacing.
    """

    offsets: Tensor
    widths: Tensor

    def __init__(self, num: int, cutoff: float) -> None:
        super().__init__()
        if num < 2:
            raise ValueError(f"SchNet num_gaussians is {num}; it must be 2 or more")
        offsets = torch.linspace(0.0, cutoff, num)
        self.register_buffer("offsets", offsets)
        self.register_buffer("widths", (offsets[1] - offsets[0]).expand(num).clone())

    def forward(self, distance: Tensor) -> Tensor:
        """[E] Å → [E, num]."""
        return torch.exp(-0.5 * ((distance[:, None] - self.offsets) / self.widths).square())


class Interaction(nn.Module):
    """Interaction block: v_i = f2out(Σ_j in2f(x_j) ∘ W(d_ij) c(d_ij)).

    W is the filter network over the Gaussians of d_ij, c the cosine cutoff; sums over the incoming
    edges, as in schnetpack.

    Args:
        dim: Width of the node features.
        num_filters: Width of the filters.
        num_gaussians: Gaussians over the distance.
    """

    def __init__(self, dim: int, num_filters: int, num_gaussians: int) -> None:
        super().__init__()
        self.in2f = nn.Linear(dim, num_filters, bias=False)
        self.filter_network = mlp([num_gaussians, num_filters, num_filters], ShiftedSoftplus)
        self.f2out = mlp([num_filters, dim, dim], ShiftedSoftplus)

    def forward(self, x: Tensor, edge_index: Tensor, gaussians: Tensor, decay: Tensor) -> Tensor:
        """Change of the node features.

        Args:
            x: Node features, [N, dim].
            edge_index: Sources and targets, int64 [2, E].
            gaussians: Distances in Gaussians, [E, num_gaussians].
            decay: Cosine cutoff, [E].

        Returns:
            [N, dim].
        """
        source, target = edge_index
        filters = self.filter_network(gaussians) * decay[:, None]
        message = self.in2f(x).index_select(0, source) * filters
        return self.f2out(segment_sum(message, target, len(x)))


class SchNet(Encoder):
    """Stack of interaction blocks, x ← x + v, with the equations of schnetpack's `SchNet`.

    The released baseline of HeMeNet has 3 blocks of width 256, 32 Gaussians and the cutoff 5.0 Å on
    atom graphs of radius 4.5 Å with at most 9 neighbours: these are the defaults. It takes the mean
    over the neighbours and normalises over whole graphs; schnetpack's sums and no norm are used
    here. For the neighbours that schnetpack itself would see, set ``view.radius`` to the cutoff and
    ``view.radius_max_neighbors`` to 0.

    Args:
        hidden_dim: Width of the node features.
        num_layers: Number of interaction blocks.
        num_filters: Width of the filters; ``hidden_dim`` if None.
        num_gaussians: Gaussians over the distance.
        cutoff: Edges of this length or more have no weight, Å.
        element_only: Nodes see their element class alone, as in the paper; otherwise residue
            type, element and entity.
        view: Graph of atoms.
    """

    view_nodes = ("atom",)
    paper = "Schütt et al., NeurIPS 2017, arXiv 1706.08566"

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
        self.cutoff = cutoff
        self.embedding = NodeEmbedding(hidden_dim, element_only)
        self.radial_basis = GaussianSmearing(num_gaussians, cutoff)
        self.interactions = nn.ModuleList(
            Interaction(hidden_dim, num_filters or hidden_dim, num_gaussians)
            for _ in range(num_layers)
        )

    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, hidden_dim]."""
        length = edge_lengths(graph)
        gaussians, decay = self.radial_basis(length), cosine_cutoff(length, self.cutoff)
        x: Tensor = self.embedding(graph)
        for interaction in self.interactions:
            x = x + interaction(x, graph.edge_index, gaussians, decay)
        return x

    def load_schnetpack(
        self,
        state_dict: Mapping[str, Tensor],
        atomic_numbers: Mapping[str, int] = ATOMIC_NUMBERS,
    ) -> None:
        """Takes over the weights of a `schnetpack.representation.SchNet` (2.x).

        =======================================  ==========================================
        schnetpack                               here
        =======================================  ==========================================
        ``embedding.weight`` (row = atomic       ``embedding.element.weight`` (row = element
        number)                                  class); the other tables become 0
        ``radial_basis.offsets``, ``.widths``    the same
        ``cutoff_fn.cutoff``                     compared with ``cutoff``
        ``interactions.I.in2f.weight``           the same
        ``interactions.I.filter_network.0``      the same
        ``interactions.I.filter_network.1``      ``interactions.I.filter_network.2``
        ``interactions.I.f2out.0``               the same
        ``interactions.I.f2out.1``               ``interactions.I.f2out.2``
        =======================================  ==========================================

        A prefix ``representation.``, as in the state of a whole model, is taken off. The names do
        not tell cutoff functions apart: only the cosine cutoff gives the original's numbers.

        Args:
            state_dict: State of the representation, or of a model that holds one.
            atomic_numbers: Element class → the atomic number whose row it takes.

        Raises:
            ValueError: Names or shapes do not fit, or the cutoff is another one. Nothing is
                changed then.
        """
        state = _representation(state_dict)
        cutoff = state.pop("cutoff_fn.cutoff", None)
        if cutoff is not None and abs(float(cutoff) - self.cutoff) > 1e-6:
            raise ValueError(f"the weights have cutoff {float(cutoff):g} Å; set cutoff to that")
        new = {_local_name(name): value for name, value in state.items()}
        own = self.state_dict()
        if "embedding.weight" in new:
            rows = [atomic_numbers[name] for name in ELEMENT_CLASSES]
            new["embedding.element.weight"] = _rows(new.pop("embedding.weight"), rows)
        for name in ("embedding.node_type.weight", "embedding.entity.weight"):
            if name in own:
                new[name] = torch.zeros_like(own[name])
        _check_fit(own, new)
        self.load_state_dict(new)


def _representation(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state without the prefix, and without the rest of the model if there is one."""
    prefix = "representation."
    inner = {k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)}
    return inner or dict(state_dict)


def _local_name(name: str) -> str:
    """Our name of schnetpack's parameter: its second Linear is the third module here."""
    return re.sub(r"(filter_network|f2out)\.1\.", r"\1.2.", name)


def _rows(table: Tensor, rows: list[int]) -> Tensor:
    if max(rows) >= len(table):
        raise ValueError(
            f"the embedding has {len(table)} rows, atomic number {max(rows)} is asked for; "
            "give other atomic_numbers"
        )
    return table[rows]


def _check_fit(own: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> None:
    """Raises unless both have the same names and shapes."""
    shared = own.keys() & new.keys()
    wrong = {
        "missing": own.keys() - new.keys(),
        "not known here": new.keys() - own.keys(),
        "of another shape": {name for name in shared if own[name].shape != new[name].shape},
    }
    found = [f"{what}: {', '.join(sorted(names))}" for what, names in wrong.items() if names]
    if found:
        raise ValueError(
            f"the weights do not fit this SchNet ({'; '.join(found)}); "
            "set hidden_dim, num_layers, num_filters and num_gaussians to theirs"
        )
