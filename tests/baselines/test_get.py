"""GET against its equations written out atom by atom, and its lists of pairs by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.get import layer
from baselines.get.encoder import GET
from baselines.get.layer import Bilevel, BilevelAttention, BlockFeedForward, ScaleNorm
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.compare import features, prepare
from hemenet_lab.testing.random_graphs import random_batch, random_graph
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    check_bf16,
    from_config,
    hand_graph,
    parameters_without_gradient,
    protein,
)
from tests.baselines.slow_get import slow_attention, slow_feed_forward, slow_norm

TINY = {"hidden_dim": 8, "radial_dim": 4, "num_layers": 2, "num_heads": 2, "num_gaussians": 4}
ATOMS = GraphView(nodes="atom", k=3, k_min_separation=0, sequence_offsets=())


def tiny(**changes: Any) -> GET:
    return GET(**{**TINY, "edge_dim": 4, "dropout": 0.0, **changes})


def shaken(**changes: Any) -> GET:
    """In float64, with every weight shaken."""
    encoder = tiny(**changes)
    prepare(encoder)
    return encoder


class TestGET(EncoderSuite):
    def encoder(self) -> GET:
        return tiny(num_layers=1)  # its features see the moved coordinates already


# --- the layers ----------------------------------------------------------------------------------


def members(group: Tensor, num: int) -> list[list[int]]:
    return [(group == number).nonzero().flatten().tolist() for number in range(num)]


def close(got: tuple[Tensor, ...], want: tuple[Tensor, ...]) -> None:
    for mine, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def slow_pairs(
    encoder: GET, graph: ProteinGraph, z: Tensor, blocks: list[list[int]]
) -> tuple[list[tuple[int, int, int]], dict[tuple[int, int], list[int]]]:
    """Edges (receiver, sender, number of the relation), and the nearest atoms of each."""
    kinds, entity = graph.edge_type.tolist(), graph.entity.tolist()
    edges = [
        (i, j, 2 * kind + (entity[i] != entity[j]))
        for (j, i), kind in zip(graph.edge_index.T.tolist(), kinds, strict=True)
    ]
    edges += [(i, i, 2 * encoder.view.num_relations) for i in range(len(graph.pos))]
    nearest = {
        (number, a): sorted(blocks[j], key=lambda b: float((z[a] - z[b]).norm()))[:3]
        for number, (i, j, _) in enumerate(edges)
        for a in blocks[i]
    }
    return edges, nearest


def test_layers_are_the_equations() -> None:
    torch.manual_seed(0)
    encoder = shaken(view=GraphView(k=2, k_min_separation=0, sequence_offsets=()))
    graph = random_graph(encoder.view, 1, residues=(3, 2), ligand_atoms=2)
    known = encoder.prepared(graph)
    lists = {name: known[name] for name in Bilevel._fields if name in known}
    pairs = Bilevel(**lists, num_blocks=len(graph.pos))
    h = torch.randn(len(known["atom"]), 8, dtype=torch.float64)
    z = graph.coords.flatten(0, 1)[known["atom"]] / 10
    blocks = members(known["block"], len(graph.pos))
    edges, nearest = slow_pairs(encoder, graph, z, blocks)
    table = encoder.edge_embedding.weight
    with torch.no_grad():
        attention, change = encoder.attention[0], encoder.feed_forward[0]
        norm = encoder.norms[0]
        assert isinstance(attention, BilevelAttention)
        assert isinstance(change, BlockFeedForward)
        assert isinstance(norm, ScaleNorm)
        got = attention(h, z, table[known["relation"]], pairs)
        named = [(i, j, table[kind]) for i, j, kind in edges]
        close(got, slow_attention(attention.state_dict(), h, z, blocks, named, nearest, 2, 4, 7.0))
        assert (got[1] - z).abs().max() > 1e-3
        close(change(h, z, pairs), slow_feed_forward(change.state_dict(), h, z, blocks, 4))
        # two structures, of which the second is one atom shorter
        halves = torch.tensor([0, 1]).repeat(len(h) // 2 + 1)[: len(h)]
        apart = pairs._replace(graph=halves, atoms=halves.bincount())
        new_h, new_z, factors = norm(h, z, apart)
        want = slow_norm(norm.state_dict(), h, z, members(halves, 2), 4, 7.0)
        close((new_h, new_z, factors), (*want[:2], torch.stack(want[2])))


def test_blocks_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    encoder = shaken(num_layers=1)
    batch = random_batch(encoder.view)

    def run() -> list[Tensor]:
        h, z = encoder.encode(batch)
        loss = h.square().sum() + z.square().sum()
        return [h, z, *torch.autograd.grad(loss, list(encoder.parameters()))]

    whole = run()
    monkeypatch.setattr(layer, "CHUNK", 300)
    for got, want in zip(run(), whole, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


def test_gradient_of_positions() -> None:
    torch.manual_seed(1)
    encoder = shaken(num_layers=1)
    graph = random_graph(encoder.view, 1, residues=(2, 2), ligand_atoms=1)

    def moved(coords: Tensor) -> Tensor:
        graph.coords = coords
        return encoder(graph)

    start = graph.coords.clone().requires_grad_()
    assert torch.autograd.gradcheck(moved, start, fast_mode=True)


# --- pairs ---------------------------------------------------------------------------------------


def test_pairs_by_hand() -> None:
    """Block 0 has atoms at 0 and 1, block 1 at 3, 4, 5 and 9 Å; an edge 1 → 0."""
    graph = hand_graph([[0.0, 0, 0], [3, 0, 0]], [(1, 0)])
    places = [[0.0, 1.0, 0, 0], [3.0, 9.0, 5.0, 4.0]]
    graph.coords = torch.zeros(2, 4, 3, dtype=torch.float64)
    graph.coords[..., 0] = torch.tensor(places)
    graph.channel_mask = torch.tensor([[True, True, False, False], [True] * 4])
    encoder = tiny(nearest_atoms=3)
    assert encoder.preparation is not None
    known = encoder.preparation.tensors(graph)
    assert known["block"].tolist() == [0, 0, 1, 1, 1, 1]
    # entities differ; the last number is that of a block with itself
    edges = zip(known["edge_block"].tolist(), known["relation"].tolist(), strict=True)
    assert list(edges) == [(0, 1), (0, 2), (1, 2)]
    receiver = known["group_atom"][known["pair_group"]].tolist()
    pairs = list(zip(receiver, known["pair_source"].tolist(), strict=True))
    assert pairs[:6] == [(0, 2), (0, 5), (0, 4), (1, 2), (1, 5), (1, 4)]
    assert pairs[6:10] == [(0, 0), (0, 1), (1, 1), (1, 0)]
    assert [b for a, b in pairs[10:] if a == 3] == [3, 4, 5]
    for name in ("edge_block", "group_block", "pair_block", "pair_group"):
        assert (known[name].diff() >= 0).all()


def test_a_ligand_atom_has_its_own_slot_and_entities_count() -> None:
    torch.manual_seed(0)
    encoder = shaken()
    graph = random_graph(encoder.view, 2, residues=(4,), ligand_atoms=3)
    before = features(encoder, graph)
    with torch.no_grad():
        encoder.slot.weight[-1] += 1
    assert (features(encoder, graph) - before).abs().max() > 1e-4
    alone = random_graph(encoder.view, 2, residues=(4,), ligand_atoms=0)
    changed = features(encoder, alone)
    with torch.no_grad():
        encoder.slot.weight[-1] += 1
    torch.testing.assert_close(features(encoder, alone), changed, rtol=0, atol=0)


# --- the encoder ---------------------------------------------------------------------------------


def test_features_have_length_1_and_no_parameter_is_idle() -> None:
    encoder = tiny(hidden_dim=16)
    graph = protein(encoder.view)
    assert torch.allclose(encoder(graph).norm(dim=1), torch.ones(len(graph.pos)))
    assert parameters_without_gradient(encoder, graph) == []
    check_bf16(encoder, graph)


def test_on_atoms() -> None:
    encoder = shaken(view=ATOMS)
    graph = random_graph(encoder.view, 0, residues=(3,), ligand_atoms=2)
    got = features(encoder, graph)
    assert got.shape == (len(graph.pos), 8)
    assert got.isfinite().all()


def test_heads_must_divide_the_widths() -> None:
    with pytest.raises(ValueError, match=r"num_heads is 3, .* \(8, 4, 4\); change one of them"):
        tiny(num_heads=3)


def test_published_config() -> None:
    published = from_config("get.yaml")
    assert isinstance(published, GET)
    assert (published.out_dim, len(published.attention), published.unit) == (128, 3, 10.0)
