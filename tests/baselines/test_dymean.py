"""dyMEAN: symmetries, and its layer against the equations written out edge by edge."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear, silu

from baselines.dymean import DyMEAN, DyMEANLayer
from hemenet_lab.data.view import GraphView
from hemenet_lab.encoders.multichannel import channel_graph, one_hot_channels
from hemenet_lab.testing.random_graphs import random_graph
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.encoders.slow_layer import centroid, distances, length, pool
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
    channels, types = one_hot_channels(case["types"], case["mask"], torch.float64)
    relation = torch.zeros_like(case["relation"])
    no_attr = torch.zeros(len(relation), 0, dtype=torch.float64)
    graph = channel_graph(case["edge_index"], relation, 1, channels, case["mask"], no_attr)
    return layer(case["h"], case["coords"], graph, case["embedding"][types])


def run_slow(layer, case):
    p = dict(layer.named_parameters())
    x, h, mask = case["coords"], case["h"], case["mask"]
    messages = torch.zeros(len(h), len(p["edge_mlp.2.bias"]), dtype=h.dtype)
    moved, degree = torch.zeros_like(x), torch.zeros(len(h), dtype=h.dtype)
    for j, i in case["edge_index"].t().tolist():
        a_i, a_j = (case["embedding"][case["types"][n]][mask[n]] for n in (i, j))
        r = a_i.T @ distances(x[i][mask[i]], x[j][mask[j]]) @ a_j
        if layer.variant == "dymean":
            rho = linear(r.flatten(), p["radial_linear.weight"], p["radial_linear.bias"])
            rho = rho / (r.norm() + 1)
        else:
            rho = linear(
                r.flatten() / (r.norm() + 1e-3), p["radial_linear.weight"], p["radial_linear.bias"]
            )
        m = layer.edge_mlp(torch.cat([h[i], h[j], rho]))
        z = linear(m, p["coord_mlp.0.weight"], p["coord_mlp.0.bias"])
        z = pool(linear(silu(z), p["coord_mlp.2.weight"]), length(mask[i]))
        moved[i] += (x[i] - centroid(x[j], mask[j], 0.0)) * (z * mask[i])[:, None]
        messages[i] += m
        degree[i] += 1
    if layer.variant == "dymean":
        update = layer.node_mlp(torch.cat([h, messages], dim=1))
    else:
        update = layer.phi_h(messages)
    return h + update, x + moved / degree.clamp(min=1)[:, None, None]


@pytest.mark.parametrize("variant", ["dymean", "gmsl"])
def test_equals_the_equations(variant):
    case = random_case(11)
    torch.manual_seed(0)
    layer = DyMEANLayer(7, C, 5, radial_dim=4, message_dim=6, variant=variant, dropout=0.0)
    layer = layer.double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
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
