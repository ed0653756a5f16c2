"""Node and edge features of the GVP paper, from the backbone atoms of residues.

Jing et al., "Learning from Protein Structure with Geometric Vector Perceptrons", ICLR 2021, section
3. A feature that needs an atom which is not there, or a residue beyond a chain's end or gap, is 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from baselines.chains import node_chain, sequence_neighbor
from hemenet_lab.graphs import ProteinGraph
from hemenet_lab.nn.radial import safe_norm
from hemenet_lab.structures import BACKBONE

NUM_DIHEDRAL_FEATURES = 6
NUM_DIRECTIONS = 3

_N, _CA, _C = (BACKBONE.index(name) for name in ("N", "CA", "C"))


def unit(v: Tensor) -> Tensor:
    """Vectors [..., 3] scaled to length 1; zero stays zero."""
    length = safe_norm(v, keepdim=True)
    return v / torch.where(length > 0, length, 1.0)


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
    """Where Cβ lies in an ideal tetrahedron round Cα, as a unit vector [N, 3]."""
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
