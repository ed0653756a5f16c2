"""The fast HeMeNet layer against the equations written out edge by edge."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot

from hemenet_lab.encoders import typed_distances
from hemenet_lab.encoders.hemenet import HeMeNetLayer
from hemenet_lab.encoders.multichannel import channel_graph, one_hot_channels, present_types
from tests.encoders.slow_layer import Inputs, Options, slow_layer

C, TYPES = 14, 9


def random_case(seed, relations=6, nodes=9, width=7, edge_dim=3):
    """Residues with holes, single atoms, an isolated node, self-loops, repeated, mutual pairs."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    mask = torch.rand(nodes, C, generator=g) < 0.6
    mask[0] = True
    mask[1] = False
    mask[1, 0] = True
    mask[-1] = False
    mask[-1, 3] = True
    mask[:, 1] |= ~mask.any(1)
    pairs = torch.randint(0, nodes - 1, (24, 2), generator=g)
    pairs = torch.cat([pairs, pairs[:6].flip(1), torch.arange(nodes - 1).repeat(2, 1).t()])
    relation = torch.randint(0, relations, (len(pairs),), generator=g)
    return {
        "h": normal(nodes, width),
        "coords": (normal(nodes, 1, 3) * 8 + normal(nodes, C, 3)) * mask[..., None],
        "mask": mask,
        "types": torch.randint(0, TYPES, (nodes, C), generator=g),
        "edge_index": pairs.t(),
        "relation": relation,
        "embedding": normal(TYPES, 5),
        "edge_embedding": normal(relations, edge_dim),
    }


def random_layer(case, seed=0, **options):
    """A float64 layer with generic parameters, in evaluation mode."""
    torch.manual_seed(seed)
    relations, edge_dim = case["edge_embedding"].shape
    layer = HeMeNetLayer(
        case["h"].shape[1], relations, C, case["embedding"].shape[1], edge_dim, **options
    ).double()
    for name, value in [*layer.named_parameters(), *layer.named_buffers()]:
        if value.is_floating_point():
            value.data = torch.randn_like(value) * 0.4
            if name.endswith("running_var"):
                value.data = value.data.abs() + 0.5
    return layer.eval()


def run_fast(layer, case):
    types = present_types(case["types"], case["mask"])
    channels = one_hot_channels(case["types"], case["mask"], types, torch.float64)
    edge_attr = one_hot(case["relation"], layer.num_relations).double()
    graph = channel_graph(
        case["edge_index"], case["relation"], layer.num_relations, channels, case["mask"], edge_attr
    )
    return layer(case["h"], case["coords"], graph, case["embedding"][types], case["edge_embedding"])


def run_slow(layer, case, **options):
    edges = torch.cat([case["edge_index"], case["relation"][None]]).t().tolist()
    data = Inputs(
        case["h"],
        case["coords"],
        case["embedding"][case["types"]],
        case["mask"].double(),
        [tuple(edge) for edge in edges],
        case["edge_embedding"][case["relation"]],
        torch.ones(len(edges), dtype=torch.float64),
    )
    return slow_layer(dict(layer.named_parameters()), data, Options(norm=layer.norm, **options))


def values_and_gradients(run, layer, case):
    leaves = {
        name: case[name].clone().requires_grad_()
        for name in ("h", "coords", "embedding", "edge_embedding")
    }
    h, coords = run(layer, case | leaves)
    loss = (h.sin().sum() + coords.cos().sum()) / 10
    tensors = list(leaves.values()) + list(layer.parameters())
    gradients = torch.autograd.grad(loss, tensors)
    return [h, coords, *gradients]


OPTIONS = [
    {},
    {"norm": "layer"},
    {"norm": "none", "attention": True},
    {"coords_aggregation": "sum"},
    {"eps": 0.3, "centroid_eps": 0.1, "move_padding": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_the_equations_with_gradients(options):
    case = random_case(1)
    layer = random_layer(case, **options)
    slow_options = {key: value for key, value in options.items() if key != "norm"}
    slow_options["mean"] = slow_options.pop("coords_aggregation", "mean") == "mean"
    fast = values_and_gradients(run_fast, layer, case)
    slow = values_and_gradients(lambda *a: run_slow(*a, **slow_options), layer, case)
    for got, want in zip(fast, slow, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("relations", [1, 6])
def test_equals_the_equations_in_training_mode(seed, relations):
    case = random_case(seed, relations, edge_dim=0 if relations == 1 else 3)
    layer = random_layer(case, dropout=0.0).train()
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    fast = run_fast(layer, case)
    after = layer.norm.running_var.clone()
    layer.load_state_dict(state)
    slow = run_slow(layer, case)
    torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(after, layer.norm.running_var)


def test_the_comparison_notices_a_wrong_relation():
    case = random_case(1)
    layer = random_layer(case)
    wrong = case | {"relation": (case["relation"] + 1) % 6}
    assert (run_fast(layer, wrong)[0] - run_slow(layer, case)[0]).abs().max() > 1e-3


def test_pairs_in_pieces_give_the_same(monkeypatch):
    case = random_case(4)
    layer = random_layer(case)
    whole = values_and_gradients(run_fast, layer, case)
    monkeypatch.setattr(typed_distances, "PAIRS_IN_CACHE", 5)
    pieces = values_and_gradients(run_fast, layer, case)
    torch.testing.assert_close(pieces, whole, rtol=1e-12, atol=1e-12)


def test_order_of_the_edges_does_not_matter():
    case = random_case(5)
    layer = random_layer(case)
    order = torch.randperm(len(case["relation"]), generator=torch.Generator().manual_seed(0))
    shuffled = case | {
        "edge_index": case["edge_index"][:, order],
        "relation": case["relation"][order],
    }
    torch.testing.assert_close(run_fast(layer, shuffled), run_fast(layer, case))


def test_gradcheck_of_a_tiny_layer():
    case = random_case(6, relations=2, nodes=4, width=3, edge_dim=2)
    layer = random_layer(case)

    def function(h, coords, embedding):
        # padding moves with nothing: a numerical derivative would see the mask only
        coords = coords * case["mask"][..., None]
        return run_fast(layer, case | {"h": h, "coords": coords, "embedding": embedding})

    leaves = [case[name].requires_grad_() for name in ("h", "coords", "embedding")]
    assert torch.autograd.gradcheck(function, leaves, eps=1e-6, atol=1e-6)


def test_float32_far_from_the_origin_keeps_short_distances():
    """A self-loop's distances and gradients at 300 Å, where squares have no digits to spare."""
    case = random_case(7)
    layer = random_layer(case)
    want = run_fast(layer, case)[0]
    shift = 300 * case["mask"][..., None]
    far = {
        key: value.float() if value.is_floating_point() else value for key, value in case.items()
    }
    far["coords"] = (case["coords"] + shift).float()
    layer = layer.float()
    types = present_types(far["types"], far["mask"])
    channels = one_hot_channels(far["types"], far["mask"], types, torch.float32)
    edge_attr = one_hot(far["relation"], 6).float()
    graph = channel_graph(far["edge_index"], far["relation"], 6, channels, far["mask"], edge_attr)
    got = layer(far["h"], far["coords"], graph, far["embedding"][types], far["edge_embedding"])[0]
    assert (got - want).abs().max() < 1e-4
