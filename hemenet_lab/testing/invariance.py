"""Checks that an encoder respects the symmetries of space and of the order of nodes.

Each takes an encoder made ready by `compare.prepare` and raises AssertionError with what differs.
Errors are relative: ``max |a - b| / max(1, max |b|)``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hemenet_lab.encoders import Encoder, Equivariant
from hemenet_lab.graphs import ProteinGraph, build_graph
from hemenet_lab.store import Entry
from hemenet_lab.structures import NUM_ELEMENT_CLASSES
from hemenet_lab.testing.compare import assert_close, equivariant, features, map_equivariant
from hemenet_lab.testing.moves import (
    match_nodes,
    move_graph,
    move_points,
    permute_entry,
    permute_graph,
)
from hemenet_lab.testing.random_graphs import cast

TOLERANCE = 1e-9


def assert_invariant(
    encoder: Encoder,
    graph: ProteinGraph,
    rotation: Tensor | None = None,
    shift: Tensor | None = None,
    tolerance: float = TOLERANCE,
    what: str = "node features after a move",
) -> None:
    """Node features do not change when the structure moves.

    Args:
        encoder: A prepared encoder.
        graph: A graph or batch in float64.
        rotation: Orthogonal matrix [3, 3], a rotation or a reflection.
        shift: [3], Å.
        tolerance: Largest relative error.
        what: Named in the error.
    """
    moved = features(encoder, move_graph(graph, rotation, shift))
    assert_close(moved, features(encoder, graph), tolerance, what)


def assert_equivariant(
    encoder: Encoder,
    graph: ProteinGraph,
    rotation: Tensor | None = None,
    shift: Tensor | None = None,
    tolerance: float = TOLERANCE,
) -> None:
    """Positions move with the structure, and vectors rotate with it."""

    def position(points: Tensor) -> Tensor:
        return _real(move_points(points, rotation, shift), graph)

    def vector(points: Tensor) -> Tensor:
        return _real(move_points(points, rotation, None), graph)

    want = map_equivariant(equivariant(encoder, graph), position, vector)
    _assert_same(encoder, move_graph(graph, rotation, shift), want, tolerance, "after a move")


def assert_permutation_invariant(
    encoder: Encoder, entry: Entry, seed: int = 0, tolerance: float = TOLERANCE
) -> None:
    """Another order of chains, residues and atoms only reorders the node features.

    Tested twice: the entry is reordered before its graph is made, and the nodes of a graph are
    reordered in any way.
    """
    graph = cast(build_graph(entry, encoder.view), torch.float64)
    other = cast(build_graph(permute_entry(entry, seed), encoder.view), torch.float64)
    reordered = ("chains and residues reordered", other, match_nodes(graph, other))
    for what, mixed, order in (reordered, ("nodes reordered", *permute_graph(graph, seed))):
        want = features(encoder, graph)[order]
        assert_close(features(encoder, mixed), want, tolerance, f"node features, {what}")
        outputs = _reordered(equivariant(encoder, graph), graph, order)
        _assert_same(encoder, mixed, outputs, tolerance, what)


def assert_padding_ignored(
    encoder: Encoder, graph: ProteinGraph, seed: int = 0, tolerance: float = TOLERANCE
) -> None:
    """Whatever stands in channels without an atom, the outputs are the same."""
    generator = torch.Generator().manual_seed(seed)
    empty = ~graph.channel_mask
    filled = graph.clone()
    noise = 100 * torch.randn(graph.coords.shape, generator=generator, dtype=graph.coords.dtype)
    filled.coords = torch.where(empty.unsqueeze(-1), noise, graph.coords)
    kinds = torch.randint(0, NUM_ELEMENT_CLASSES, empty.shape, generator=generator)
    filled.channel_type = torch.where(empty, kinds, graph.channel_type)
    what = "with filled padding"
    want = features(encoder, graph)
    assert_close(features(encoder, filled), want, tolerance, f"node features {what}")
    _assert_same(encoder, filled, _real_outputs(encoder, graph), tolerance, what)


def _real(values: Tensor, graph: ProteinGraph) -> Tensor:
    """Without padding channels: outputs [N, C, ...] become [A, ...], others stay."""
    mask = graph.channel_mask
    return values[mask] if values.shape[: mask.ndim] == mask.shape else values


def _real_outputs(encoder: Encoder, graph: ProteinGraph) -> dict[str, Tensor]:
    def real(values: Tensor) -> Tensor:
        return _real(values, graph)

    return map_equivariant(equivariant(encoder, graph), real, real)


def _assert_same(
    encoder: Encoder, graph: ProteinGraph, want: dict[str, Tensor], tolerance: float, what: str
) -> None:
    """The equivariant outputs of ``graph``, without padding, are ``want``."""

    got = _real_outputs(encoder, graph)
    if got.keys() != want.keys():
        raise AssertionError(f"equivariant outputs {list(got)} instead of {list(want)}, {what}")
    for name, values in got.items():
        assert_close(values, want[name], tolerance, f"{name} {what}")


def _reordered(output: Equivariant, graph: ProteinGraph, order: Tensor) -> dict[str, Tensor]:
    """Outputs of ``graph`` in the order of the nodes after a permutation, without padding."""
    mask = graph.channel_mask
    atom_row = torch.full(mask.shape, -1, dtype=torch.long)
    atom_row[mask] = torch.arange(int(mask.sum()))
    atoms = atom_row[order][mask[order]]

    def reorder(values: Tensor) -> Tensor:
        values = _real(values, graph)
        if len(values) == len(atoms):
            return values[atoms]
        if len(values) == len(order):
            return values[order]
        raise AssertionError(
            f"an equivariant output has shape {tuple(values.shape)}; it must begin with nodes [N], "
            "nodes and channels [N, C] or atoms [A]"
        )

    return map_equivariant(output, reorder, reorder)
