"""CDConv against the authors' code, its formulas pair by pair, and its frames and pools by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.cdconv import CDConv, CDConvBlock, chain_clusters, chain_frames
from baselines.cdconv_layer import (
    ContinuousDiscreteConv,
    Points,
    average_pool,
    neighborhood,
    radius_pairs,
)
from hemenet_lab.testing.checks.cdconv_layer import check
from hemenet_lab.testing.checks.fixture import Fixture
from hemenet_lab.testing.invariance import assert_invariant
from hemenet_lab.testing.moves import INVERSION, permute_graph, random_rotation
from hemenet_lab.testing.random_graphs import random_batch, random_graph
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    GOLDENS,
    check_bf16,
    from_config,
    parameters_without_gradient,
    protein,
)


def small_encoder(dropout: float = 0.0) -> CDConv:
    return CDConv((16, 24, 32), (8.0, 12.0, 16.0), 5, (6,), 32.0, 8, dropout=dropout)


class TestCDConv(EncoderSuite):
    def encoder(self) -> CDConv:
        return small_encoder()


def test_authors_numbers() -> None:
    fixture = Fixture.load(GOLDENS / "cdconv_layer.npz")
    comparisons = list(check(fixture))
    assert fixture.uncovered(comparisons) == []
    assert max(comparison.error for comparison in comparisons) < 1e-12


def test_authors_numbers_notice_a_wrong_radius() -> None:
    fixture = Fixture.load(GOLDENS / "cdconv_layer.npz")
    fixture.variants["conv"]["r"] = 7.0
    errors = {(c.variant, c.quantity): c.error for c in check(fixture)}
    assert errors["conv", "x"] > 1e-3
    assert errors["block", "x"] < 1e-12


def random_points(n: int = 12, spread: float = 4.0) -> Points:
    """Two graphs; the first of two chains and a ligand atom without frame."""
    generator = torch.Generator().manual_seed(0)
    pos = torch.randn(n, 3, dtype=torch.float64, generator=generator) * spread
    ori = torch.stack([random_rotation(seed) for seed in range(n)])
    ori[7] = 0.0
    chain = torch.tensor([0, 0, 0, 0, 1, 1, 1, -1, 2, 2, 2, 2])
    seq = torch.tensor([0, 1, 2, 5, 0, 1, 2, 0, 0, 1, 2, 3])
    return Points(pos, seq, ori, chain, (torch.arange(n) >= 8).long())


def slow_conv(
    conv: ContinuousDiscreteConv, x: Tensor, points: Points, r: float, size: int
) -> Tensor:
    """The convolution of Fan et al. 2023, pair by pair."""
    half, rows = size // 2, []
    for i in range(len(x)):
        total = torch.zeros(conv.W.shape[0] // x.shape[1], x.shape[1], dtype=x.dtype)
        for j in range(len(x)):
            d = points.pos[j] - points.pos[i]
            distance = d.norm()
            if points.batch[i] != points.batch[j] or distance >= r:
                continue
            chains = {points.chain[i].item(), points.chain[j].item()}
            related = i == j or (len(chains) == 1 and -1 not in chains)
            delta = points.seq[j] - points.seq[i] if related else half
            delta = int(max(-half, min(half, delta)))
            direction = points.ori[i] @ (d / (distance + 1e-9))
            turn = (points.ori[i] * points.ori[j]).sum(1)
            f = torch.cat([direction, turn, distance[None]])
            for weight, bias in zip(conv.WeightNet.Ws, conv.WeightNet.bs, strict=True):
                f = F.leaky_relu(f @ weight[delta + half] + bias[delta + half], 0.2)
            window = 0.5 - 0.5 * math.tanh(16 * (distance / r) * abs(delta) / half - 14)
            total += window * torch.outer(f, x[j])
        rows.append(total.flatten() @ conv.W)
    return torch.stack(rows)


def test_conv_equals_the_slow_formula() -> None:
    torch.manual_seed(1)
    conv = ContinuousDiscreteConv(3, 4, 5, (4, 2)).double()
    points, x = random_points(), torch.randn(12, 3, dtype=torch.float64)
    got = conv(x, neighborhood(points, 8.0, 5))
    torch.testing.assert_close(got, slow_conv(conv, x, points, 8.0, 5))


def test_conv_gradient() -> None:
    torch.manual_seed(2)
    conv = ContinuousDiscreteConv(2, 2, 3, (3,)).double()
    points = random_points()
    x = torch.randn(12, 2, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, pos: Tensor) -> Tensor:
        moved = Points(pos, points.seq, points.ori, points.chain, points.batch)
        return conv(x, neighborhood(moved, 6.0, 3))

    assert torch.autograd.gradcheck(run, (x, points.pos.clone().requires_grad_()), fast_mode=True)


def test_block_gradient() -> None:
    torch.manual_seed(3)
    block = CDConvBlock(3, 4, 3, (2,), base_width=32.0).double()
    near = neighborhood(random_points(), 6.0, 3)
    x = torch.randn(12, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: block(x, near), (x,), fast_mode=True)


@pytest.mark.parametrize("radius", [0.5, 3.0, 50.0])
def test_pairs_equal_the_slow_search(radius: float) -> None:
    generator = torch.Generator().manual_seed(4)
    pos = torch.randn(80, 3, generator=generator) * torch.tensor([9.0, 3.0, 1.0]) - 20.0
    pos[7] = pos[9]
    batch = torch.randint(3, (80,), generator=generator)
    near = (torch.cdist(pos.double(), pos.double()) < radius) & (batch[:, None] == batch)
    got = set(zip(*(part.tolist() for part in radius_pairs(pos, batch, radius)), strict=True))
    assert got == set(map(tuple, near.nonzero().tolist()))
    assert len(radius_pairs(pos, batch, radius)[0]) == len(got)


def test_pairs_of_points_on_the_borders_of_cubes() -> None:
    pos = torch.tensor([[float(x), float(y), 0.0] for x in range(4) for y in range(4)])
    source, target = radius_pairs(pos, torch.zeros(16, dtype=torch.long), 1.5)
    # itself, 4 neighbours at 1 and 4 at √2, fewer at the rim
    assert torch.bincount(target).tolist() == [4, 6, 6, 4, 6, 9, 9, 6, 6, 9, 9, 6, 4, 6, 6, 4]
    assert torch.equal(source.sort().values, target.sort().values)


def test_frame_by_hand() -> None:
    """A right turn from +x to +y: b = (x - y)/√2, n = +z, o = b × n."""
    graph = random_graph(CDConv().view, 0, residues=(3, 2), ligand_atoms=1)
    graph.pos[:3] = torch.tensor([[0.0, 0, 0], [2, 0, 0], [2, 3, 0]])
    frames = chain_frames(graph)
    half = math.sqrt(0.5)
    want = torch.tensor([[half, -half, 0], [0, 0, 1], [-half, -half, 0]], dtype=torch.float64)
    for residue in range(3):
        torch.testing.assert_close(frames[residue], want)
    # a chain of two and a ligand atom have no frame
    assert not frames[3:].any()


def test_frames_follow_rotations_and_any_order() -> None:
    graph = protein(CDConv().view, dtype=torch.float64)
    frames, turn = chain_frames(graph), random_rotation(5)
    mixed, order = permute_graph(graph, 6)
    torch.testing.assert_close(chain_frames(mixed), frames[order], rtol=0, atol=0)
    graph.pos = graph.pos @ turn.T
    torch.testing.assert_close(chain_frames(graph), frames @ turn.T)


def test_clusters_stay_within_chains() -> None:
    """The published rule would merge rows 0 and 1 of different chains; ligands stay alone."""
    chain = torch.tensor([0, 1, 1, 1, -1, -1, 2])
    seq = torch.tensor([0, 0, 1, 2, 0, 0, 1])
    zeros = torch.zeros(7, 3)
    cluster, num = chain_clusters(Points(zeros, seq, zeros, chain, chain))
    assert num == 6
    assert cluster[1] == cluster[2]
    assert len(set(cluster.tolist())) == 6


def test_pool_by_hand() -> None:
    points = random_points()
    x = torch.arange(12.0, dtype=torch.float64).unsqueeze(1)
    cluster, num = chain_clusters(points)
    pooled, merged = average_pool(x, points, cluster, num)
    assert sorted(pooled.flatten().tolist()) == [0.5, 2.0, 3.0, 4.5, 6.0, 7.0, 8.5, 10.5]
    row = cluster[0]
    torch.testing.assert_close(merged.pos[row], points.pos[:2].mean(0))
    torch.testing.assert_close(merged.ori[row].norm(dim=1), torch.ones(3, dtype=torch.float64))
    assert merged.seq[cluster].tolist() == [0, 0, 1, 2, 0, 0, 1, 0, 0, 0, 1, 1]
    assert merged.chain[cluster].tolist() == points.chain.tolist()
    assert merged.batch[cluster].tolist() == points.batch.tolist()
    assert not merged.ori[cluster[7]].any()


def test_residues_of_a_pool_share_their_features() -> None:
    encoder = small_encoder().eval()
    graph = random_graph(encoder.view, 1, dtype=torch.float32, residues=(8,), ligand_atoms=2)
    graph.sequence_index[:8] = torch.arange(8)
    h = encoder(graph)
    # three levels, so two poolings: residues 0-3 and 4-7
    for pool in (h[:4], h[4:8]):
        assert torch.equal(pool, pool[:1].expand_as(pool))
    assert len(h.unique(dim=0)) == 4


def test_encoder_sees_handedness() -> None:
    """So the SE(3) of the declaration is no mere caution."""
    encoder = small_encoder().double().eval()
    with pytest.raises(AssertionError):
        assert_invariant(encoder, random_batch(encoder.view), INVERSION, None, 1e-6, "features")


def test_edges_of_the_view_do_not_matter() -> None:
    encoder = small_encoder().eval()
    graph = protein(encoder.view)
    h = encoder(graph)
    graph.edge_index, graph.edge_type = graph.edge_index[:, :0], graph.edge_type[:0]
    assert torch.equal(encoder(graph), h)


def test_single_node_trains() -> None:
    encoder = small_encoder(dropout=0.2).train()
    graph = random_graph(encoder.view, 2, dtype=torch.float32, residues=(1,), ligand_atoms=0)
    assert parameters_without_gradient(encoder, graph) == []
    assert encoder(graph).isfinite().all()


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="2 channels and 1 radii; give one per level"):
        CDConv((8, 16), (8.0,))
    for size in (1, 4):
        with pytest.raises(ValueError, match=f"kernel_size is {size}; it must be odd, 3 or more"):
            CDConv((8,), (8.0,), size)


def test_bf16() -> None:
    encoder = small_encoder().eval()
    check_bf16(encoder, protein(encoder.view))


def test_configs() -> None:
    """The radii are no part of the view, which another test compares."""
    published, comparable = from_config("cdconv.yaml"), from_config("comparable/cdconv.yaml")
    assert isinstance(published, CDConv)
    assert isinstance(comparable, CDConv)
    assert published.out_dim == 2048
    assert published.radii == comparable.radii == (8.0, 12.0, 16.0, 20.0)
