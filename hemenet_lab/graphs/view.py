"""GraphView: what an encoder asks of the data, as one small frozen record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from hemenet_lab.structures import NUM_CHANNELS

LATER = {"crop": 0.0, "k_filter": "before", "atom_offsets": "same_slot"}
"""Settings that came later, with the values at which edges are as they were before."""


@dataclass(frozen=True)
class GraphView:
    """Recipe by which a structure becomes a graph.

    Relations come in this order: ``knn`` (if ``k`` > 0), ``radius`` (if ``radius`` > 0), then one
    per sequence offset in increasing order (target = source + offset; 0 is the self-loop).
    Distances are the smallest between any two atoms of the two nodes.

    Args:
        nodes: ``residue`` (a node per residue with its atoms as channels, and one per ligand atom),
            ``alpha`` (the same with the alpha carbon only) or ``atom`` (a node per heavy atom).
        k: Number of nearest neighbours (incoming spatial edges) of each node; 0 for none.
        k_min_separation: Nearest neighbours of the same chain are at least this far in sequence.
        k_filter: Whether that rule holds ``before`` the k nearest are chosen, which keeps all k,
            or ``after``: neighbours in sequence use up places and are then deleted (GearNet, and
            the released HeMeNet).
        radius: Edges to every node closer than this, Å; 0 for none.
        radius_max_neighbors: Nearest ones kept per node among the radius edges; 0 keeps all.
        radius_min_separation: As ``k_min_separation``, for the radius edges.
        sequence_offsets: Offsets along the chain that make a relation each. In the atom view offset
            0 joins the atoms of one residue (self-loops included).
        atom_offsets: In the atom view, offsets other than 0 join atoms of the ``same_slot`` of two
            residues, or ``all_pairs`` of their atoms (GearNet between atoms).
        crop: Of a complex, only the ligand and residues closer than this to it, or the residues of
            each partner closer than this to the other, Å; 0 for all. Single chains stay whole.
        chemistry: Nodes have the chemistry of ligand atoms, which the store must keep.
    """

    nodes: Literal["residue", "alpha", "atom"] = "residue"
    k: int = 7
    k_min_separation: int = 5
    k_filter: Literal["before", "after"] = "before"
    radius: float = 0.0
    radius_max_neighbors: int = 0
    radius_min_separation: int = 0
    sequence_offsets: tuple[int, ...] = (-2, -1, 0, 1, 2)
    atom_offsets: Literal["same_slot", "all_pairs"] = "same_slot"
    crop: float = 0.0
    chemistry: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "sequence_offsets", tuple(sorted(self.sequence_offsets)))
        if self.nodes not in ("residue", "alpha", "atom"):
            raise ValueError(f"view nodes {self.nodes!r}; allowed: residue, alpha, atom")
        if self.k_filter not in ("before", "after"):
            raise ValueError(f"view k_filter {self.k_filter!r}; allowed: before, after")
        if self.atom_offsets not in ("same_slot", "all_pairs"):
            raise ValueError(
                f"view atom_offsets {self.atom_offsets!r}; allowed: same_slot, all_pairs"
            )
        numbers = ("k", "k_min_separation", "radius", "radius_max_neighbors", "crop")
        for name in (*numbers, "radius_min_separation"):
            if getattr(self, name) < 0:
                raise ValueError(f"view {name} is {getattr(self, name)}; it must be 0 or more")
        if not self.relations:
            raise ValueError("the view has no edges: set k, radius or sequence_offsets")

    @property
    def relations(self) -> tuple[str, ...]:
        """Names of the relations, in the order of ``edge_type``."""
        spatial = ("knn",) * (self.k > 0) + ("radius",) * (self.radius > 0)
        return spatial + tuple(f"sequence{offset:+d}" for offset in self.sequence_offsets)

    @property
    def num_relations(self) -> int:
        return len(self.relations)

    @property
    def num_channels(self) -> int:
        """Channels per node: 14 in the residue view, 1 otherwise."""
        return NUM_CHANNELS if self.nodes == "residue" else 1

    def key(self) -> str:
        """Short hash of the settings, the name of a cache of this view's edges."""
        settings = asdict(self)
        del settings["chemistry"]  # edges do not depend on it
        for name, before in LATER.items():  # edges computed before there were these stay good
            if settings[name] == before:
                del settings[name]
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
