"""The HeMeNet encoder: symmetries, robustness, precision, and what its options mean."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.encoders import HeMeNet, channel_graph, hemenet
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.random_graphs import random_graph
from hemenet_lab.testing.symmetry import EncoderSuite

SMALL = {"hidden_dim": 12, "num_layers": 3, "channel_dim": 6, "relation_dim": 4}


class TestHeMeNet(EncoderSuite):
    def encoder(self):
        return HeMeNet(**SMALL)


class TestHeMeNetAlpha(EncoderSuite):
    def encoder(self):
        return HeMeNet(**SMALL, norm="layer", view=GraphView(nodes="alpha", k=5))


class TestHeMeNetAtoms(EncoderSuite):
    def encoder(self):
        return HeMeNet(**SMALL, norm="none", view=GraphView(nodes="atom", k=4, radius=4.5))


class TestHeMeNetWithoutRelations(EncoderSuite):
    def encoder(self):
        return HeMeNet(**SMALL, relational=False, coords_aggregation="sum")


class TestHeMeNetFinalCoords(EncoderSuite):
    """All layers move coordinates; their parameters need a loss on the coordinates."""

    def encoder(self):
        return HeMeNet(**SMALL, final_coords=True)

    def test_all_parameters_used(self):
        encoder = self.prepared()
        graph = random_graph(encoder.view, 0, dtype=torch.float64)
        features, coords = encoder.encode(graph)
        (features.square().sum() + coords.square().sum()).backward()
        assert all(p.grad is not None for p in encoder.parameters())


class TestHeMeNetPlus(EncoderSuite):
    def encoder(self):
        return HeMeNet(**SMALL, distance_gaussians=4)


def test_published_size():
    """A released layer has 2,823,814 parameters; the last one's φ_x and w_r are not made here."""
    encoder = HeMeNet()
    layers = sum(p.numel() for p in encoder.stack.parameters())
    assert layers == 6 * 2_823_814 - (256 * 256 + 256 + 14 * 256 + 6)
    assert encoder.out_dim == 1536
    assert encoder.view.num_relations == 6


def test_small_gain_and_unit_relation_weights_at_the_start():
    layer = HeMeNet(**SMALL).stack.layers[0]
    assert layer.coord_mlp[-1].weight.abs().max() < 1e-3
    assert layer.coord_mlp[-1].bias is None
    assert layer.w_r.eq(1).all()


def test_without_relations_ignores_edge_type_and_has_no_embedding():
    torch.manual_seed(0)
    encoder = HeMeNet(**SMALL, relational=False).eval()
    graph = random_graph(encoder.view, 0)
    before = encoder(graph)
    graph.edge_type = (graph.edge_type + 1) % 6
    torch.testing.assert_close(encoder(graph), before)
    assert not any("relation" in name for name, _ in encoder.named_parameters())
    assert encoder.stack.layers[0].hetero_linear.in_features == 12


def test_with_relations_sees_edge_type():
    torch.manual_seed(0)
    encoder = HeMeNet(**SMALL).eval()
    graph = random_graph(encoder.view, 0)
    before = encoder(graph)
    graph.edge_type = (graph.edge_type + 1) % 6
    assert (encoder(graph) - before).abs().max() > 1e-3


def test_output_concatenates_normalised_layers():
    encoder = HeMeNet(**SMALL).eval()
    features = encoder(random_graph(encoder.view, 0)).view(-1, 3, 12)
    torch.testing.assert_close(
        features.mean(-1), torch.zeros(features.shape[:2]), atol=1e-5, rtol=0
    )


def test_a_missing_atom_does_not_shift_the_others():
    """The channel of a hole gets no say, the others keep their scores."""
    torch.manual_seed(0)
    encoder = HeMeNet(**SMALL).double().eval()
    graph = random_graph(encoder.view, 0, dtype=torch.float64)
    node = int(graph.channel_mask.sum(1).argmax())
    hole = int(graph.channel_mask[node].nonzero()[2])
    holed = graph.clone()
    holed.channel_mask[node, hole] = False
    renumbered = graph.clone()
    for name in ("coords", "channel_type", "channel_mask"):
        value = renumbered[name]
        value[node, hole:-1] = value[node, hole + 1 :].clone()
    renumbered.channel_mask[node, -1] = False
    seen = [encoder.equivariant(g).positions["coords"] for g in (holed, renumbered)]
    assert seen[0].shape == seen[1].shape
    assert (seen[0] - seen[1]).abs().max() > 1e-9


def test_without_distances_everything_is_as_published():
    """Same names, same numbers at the start; with them one more product, and no other change."""
    torch.manual_seed(0)
    plain = HeMeNet(**SMALL)
    torch.manual_seed(0)
    plus = HeMeNet(**SMALL, distance_gaussians=5)
    added = set(plus.state_dict()) - set(plain.state_dict())
    assert added == {f"stack.layers.{n}.distances.linear.weight" for n in range(3)}
    assert not set(plain.state_dict()) - set(plus.state_dict())
    loaded = plus.load_state_dict(plain.state_dict(), strict=False)
    assert set(loaded.missing_keys) == added
    with torch.no_grad():
        for layer in plus.stack.layers:
            layer.distances.linear.weight.zero_()
    graph = random_graph(plain.view, 0)
    torch.testing.assert_close(plus.eval()(graph), plain.eval()(graph))


def scaled(graph, factor):
    """The graph with all coordinates scaled and the same edges."""
    larger = graph.clone()
    larger.coords, larger.pos = graph.coords * factor, graph.pos * factor
    return larger


def test_only_plus_sees_the_scale():
    changes = {}
    for number in (0, 16):
        torch.manual_seed(0)
        encoder = HeMeNet(**SMALL, distance_gaussians=number).double().eval()
        graph = random_graph(encoder.view, 0, dtype=torch.float64)
        changes[number] = (encoder(scaled(graph, 1.5)) - encoder(graph)).abs().mean().item()
    assert changes[0] < 1e-3
    assert changes[16] > 0.01
    assert changes[16] > 20 * changes[0]


@pytest.mark.parametrize("factor", [4.0, 40.0])
def test_plus_sees_distances_beyond_its_gaussians(factor):
    torch.manual_seed(0)
    encoder = HeMeNet(**SMALL, distance_gaussians=8).double().eval()
    graph = scaled(random_graph(encoder.view, 0, dtype=torch.float64), factor)
    assert (encoder(scaled(graph, 1.5)) - encoder(graph)).abs().mean() > 1e-3


def test_distances_by_hand():
    """Two atoms 2 Å and 5 Å from a ligand atom: smallest 2, centroids 3.5 apart."""
    layer = HeMeNet(**SMALL, distance_gaussians=2).stack.layers[0]
    graph = channel_graph(
        torch.tensor([[1], [0]]),
        torch.zeros(1, dtype=torch.long),
        1,
        torch.ones(2, 2, 1),
        torch.tensor([[True, True], [True, False]]),
        torch.zeros(1, 0),
    )
    coords = torch.tensor([[[2.0, 0, 0], [5, 0, 0]], [[0, 0, 0], [9, 9, 9]]])
    found = layer.distances(coords, graph)[0]
    distance = torch.tensor([2.0, 3.5])
    near, far = (-0.5 * (distance / 15) ** 2).exp(), (-0.5 * ((distance - 15) / 15) ** 2).exp()
    want = torch.stack([near, far], dim=1).flatten()
    torch.testing.assert_close(found, torch.cat([want, (1 + distance).log()]))


def test_autocast_keeps_the_geometry_of_plus_in_float32(monkeypatch):
    """With nothing but geometry in the first Linear, bf16 autocast changes none of its output."""
    seen = []
    exact = hemenet.first_linear
    monkeypatch.setattr(
        hemenet, "first_linear", lambda *args: seen.append(exact(*args)) or seen[-1]
    )
    torch.manual_seed(0)
    encoder = HeMeNet(**SMALL | {"num_layers": 1}, distance_gaussians=16).eval()
    graph = random_graph(encoder.view, 0)
    with torch.no_grad():
        encoder.node_embedding.weight.zero_()
        encoder(graph)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            encoder(graph)
    assert seen[1].dtype == torch.float32
    torch.testing.assert_close(seen[1], seen[0])


@pytest.mark.parametrize("nodes", ["residue", "alpha", "atom"])
@pytest.mark.parametrize("gaussians", [0, 8])
def test_bf16_autocast_stays_finite_and_near(nodes, gaussians):
    torch.manual_seed(0)
    view = GraphView(nodes=nodes)
    encoder = HeMeNet(**SMALL, dropout=0.0, distance_gaussians=gaussians, view=view).eval()
    graph = random_graph(encoder.view, 0)
    want = encoder(graph)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = encoder(graph)
        coords = encoder.equivariant(graph).positions["coords"]
    assert coords.dtype == torch.float32
    assert (got - want).abs().max() < 0.1 * want.abs().max()
    got.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


def test_backward_inside_autocast():
    encoder = HeMeNet(**SMALL)
    graph = random_graph(encoder.view, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoder(graph).float().square().sum().backward()
    assert encoder.channel_embedding.weight.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "group"}, "allowed: batch, layer, none"),
        ({"coords_aggregation": "max"}, "allowed: mean, sum"),
        ({"num_layers": 0}, "must be 1 or more"),
        ({"distance_gaussians": 1}, "allowed: 0 .none, as published. or 2 and more"),
        ({"distance_gaussians": -1}, "distance_gaussians is -1"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        HeMeNet(**SMALL | options)
