"""dyMEAN: symmetries, and its layer against the equations written out edge by edge."""

from __future__ import annotations

import pytest
import torch

from baselines.dymean import DyMEAN, DyMEANLayer
from hemenet_lab.encoders.multichannel import channel_graph, one_hot_channels, present_types
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.random_graphs import random_graph
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.slow_dymean import slow_dymean
from tests.encoders.slow_layer import Inputs, Options
from tests.encoders.test_hemenet_layer import C, random_case

SMALL = {"hidden_dim": 12, "num_layers": 3, "channel_dim": 6}


class TestDyMEAN(EncoderSuite):
    def encoder(self):
        return DyMEAN(**SMALL)


class TestDyMEANGatedSum(EncoderSuite):
    def encoder(self):
        return DyMEAN(**SMALL, attention=True, tanh=True, coords_aggregation="sum")


class TestDyMEANOfTheHeMeNetPaper(EncoderSuite):
    def encoder(self):
        return DyMEAN(**SMALL, variant="gmsl", view=GraphView(nodes="alpha"))


def run_fast(layer, case):
    types = present_types(case["types"], case["mask"])
    channels = one_hot_channels(case["types"], case["mask"], types, torch.float64)
    relation = torch.zeros_like(case["relation"])
    no_attr = torch.zeros(len(relation), 0, dtype=torch.float64)
    graph = channel_graph(case["edge_index"], relation, 1, channels, case["mask"], no_attr)
    return layer(case["h"], case["coords"], graph, case["embedding"][types])


def run_slow(layer, case):
    edges = [(j, i, 0) for j, i in case["edge_index"].t().tolist()]
    data = Inputs(
        case["h"],
        case["coords"],
        case["embedding"][case["types"]],
        case["mask"].double(),
        edges,
        torch.zeros(len(edges), 0, dtype=torch.float64),
        torch.ones(len(edges), dtype=torch.float64),
    )
    options = Options(eps=layer.eps)
    return slow_dymean(dict(layer.named_parameters()), data, options, layer.variant == "gmsl")


def random_layer(dim, variant):
    torch.manual_seed(0)
    layer = DyMEANLayer(dim, C, 5, radial_dim=4, message_dim=6, variant=variant, dropout=0.0)
    for parameter in layer.double().parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return layer


@pytest.mark.parametrize("variant", ["dymean", "gmsl"])
def test_gradcheck_of_a_tiny_layer(variant):
    case = random_case(6, nodes=4, width=3)
    layer = random_layer(3, variant)

    def function(h, coords, embedding):
        # padding moves with nothing: a numerical derivative would see the mask only
        coords = coords * case["mask"][..., None]
        return run_fast(layer, case | {"h": h, "coords": coords, "embedding": embedding})

    leaves = [case[name].requires_grad_() for name in ("h", "coords", "embedding")]
    assert torch.autograd.gradcheck(function, leaves, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("variant", ["dymean", "gmsl"])
def test_equals_the_equations(variant):
    case = random_case(11)
    layer = random_layer(7, variant)
    with torch.no_grad():
        torch.testing.assert_close(
            run_fast(layer, case), run_slow(layer, case), rtol=1e-9, atol=1e-10
        )


def test_published_size():
    encoder = DyMEAN()
    assert (encoder.out_dim, len(encoder.layers), encoder.view.k) == (128, 3, 9)
    assert not hasattr(encoder.layers[-1], "coord_mlp")


def test_bf16_autocast_stays_finite():
    encoder = DyMEAN(**SMALL)
    graph = random_graph(encoder.view, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = encoder(graph)
    out.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


def test_variant_is_checked():
    with pytest.raises(ValueError, match="allowed: dymean, gmsl"):
        DyMEAN(**SMALL, variant="original")
    with pytest.raises(ValueError, match="allowed: mean, sum"):
        DyMEAN(**SMALL, coords_aggregation="max")
