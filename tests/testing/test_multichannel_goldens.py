"""The released multi-channel layers and readout: stored numbers, and files of other sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm

from hemenet_lab.testing import goldens
from hemenet_lab.testing.checks import hemenet_layer
from hemenet_lab.testing.fixture import Fixture
from tests.encoders.slow_layer import Inputs, Options, slow_layer

GOLDENS = Path(__file__).parents[1] / "goldens"
MINE = ("hemenet_layer", "hemenet_encoder", "task_aware_readout", "dymean_layer")


@pytest.mark.parametrize("name", MINE)
def test_stored_numbers_to_1e_9(name, capsys):
    assert goldens.main([str(GOLDENS), "--only", name]) == 0
    assert " 0 failed" in capsys.readouterr().out


N, C, F, D, H, R, T, E = 8, 5, 3, 4, 6, 3, 2, 20
"""Sizes that differ from those of the stored files, and from each other."""


def variation(seed, attention, agg, bn, edge_attr):
    """A file made by the slow layer with the released code's options."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    length = torch.randint(1, C + 1, (N,), generator=g)
    weights = (torch.arange(C) < length[:, None]).double()
    edges = torch.stack(
        [torch.randint(0, high, (E,), generator=g) for high in (N - 1, N - 1, R)], dim=1
    )
    inputs = {
        "h": normal(N, D),
        "coords": normal(N, C, 3) * 3 * weights[..., None],
        "channel_attr": normal(N, C, F),
        "channel_weights": weights,
        "edge_weights": normal(E).abs(),
        "edge_attr": normal(E, T),
    }
    used = T if edge_attr else 0
    shapes = {
        "w_r": (R, 1),
        "radial_linear.weight": (F, F * F),
        "radial_linear.bias": (F,),
        "message_mlp.0.weight": (H, 2 * D + F + used),
        "message_mlp.0.bias": (H,),
        "message_mlp.2.weight": (H, H),
        "message_mlp.2.bias": (H,),
        "hetero_linear.weight": (D, R * H),
        "hetero_linear.bias": (D,),
        "coord_mlp.0.weight": (H, H),
        "coord_mlp.0.bias": (H,),
        "coord_mlp.2.weight": (C, H),
    }
    shapes |= {"att_mlp.0.weight": (1, H), "att_mlp.0.bias": (1,)} if attention else {}
    params = {name: normal(*shape) * 0.5 for name, shape in shapes.items()}
    if bn:
        params |= {f"batch_norm.{name}": normal(D) for name in ("weight", "bias", "running_mean")}
        params["batch_norm.running_var"] = normal(D).abs() + 0.5
        params["batch_norm.num_batches_tracked"] = torch.tensor(3)
    option = {
        "coords_agg": agg,
        "batch_norm": bn,
        "attention": attention,
        "uses_edge_attr": edge_attr,
    }
    return fixture_of(inputs, edges, params, option)


def fixture_of(inputs, edges, params, option, eps=0.01):
    """Runs the slow layer and stores everything under the keys of a fixture."""
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    trained = {
        name: value.clone().requires_grad_("running" not in name)
        for name, value in params.items()
        if value.is_floating_point()
    }
    data = Inputs(
        leaves["h"],
        leaves["coords"],
        leaves["channel_attr"],
        leaves["channel_weights"],
        [tuple(edge) for edge in edges.tolist()],
        leaves["edge_attr"] if option["uses_edge_attr"] else torch.zeros(E, 0).double(),
        leaves["edge_weights"],
    )
    mean = option["coords_agg"] == "mean"
    options = Options(eps, eps, True, True, mean, option["attention"])
    arrays = {f"input/{name}": value for name, value in inputs.items()}
    arrays |= {f"param/v/{name}": value for name, value in params.items()}
    arrays["input/edge_list"] = edges
    for training in (False, True) if option["batch_norm"] else (False,):
        options.norm = norm_of(trained, training) if option["batch_norm"] else nn.Identity()
        h, coords = slow_layer(trained, data, options)
        place = "output/v/train/" if training else "output/v/"
        arrays |= {place + "h": h, place + "coords": coords}
        if not training:
            arrays |= loss_and_gradients(h, coords, leaves, trained)
    if option["batch_norm"]:
        for name in ("running_mean", "running_var"):
            key = f"output/v/train/after_step/batch_norm.{name}"
            arrays[key] = trained[f"batch_norm.{name}"]
    hyper = {"channel_dim": C, "eps": eps, "activation": "SiLU", "variants": {"v": option}}
    numbers = {key: value.detach().numpy() for key, value in arrays.items()}
    return Fixture(numbers, {"fixture": "hemenet_layer", "hyperparameters": hyper})


def norm_of(p, training):
    """Batch normalisation that changes the running statistics in ``p`` in training mode."""
    names = ("running_mean", "running_var", "weight", "bias")
    return lambda u: batch_norm(u, *(p[f"batch_norm.{name}"] for name in names), training)


def loss_and_gradients(h, coords, leaves, trained):
    loss = h.square().sum() + coords.square().sum()
    tensors = {f"input/{name}": value for name, value in leaves.items()}
    tensors |= {f"param/{k}": v for k, v in trained.items() if v.requires_grad}
    gradients = torch.autograd.grad(loss, list(tensors.values()), allow_unused=True)
    found = zip(tensors, gradients, strict=True)
    return {"output/v/loss": loss} | {f"grad/v/{k}": v for k, v in found if v is not None}


@pytest.mark.parametrize(
    ("attention", "agg", "bn", "edge_attr"),
    [(False, "mean", True, True), (True, "sum", False, False), (True, "mean", True, False)],
)
def test_the_layer_checker_takes_everything_from_the_file(attention, agg, bn, edge_attr):
    fixture = variation(5, attention, agg, bn, edge_attr)
    comparisons = list(hemenet_layer.check(fixture))
    assert len(comparisons) > 20
    assert fixture.uncovered(comparisons) == []
    assert all(fixture.has(comparison.key) for comparison in comparisons)
    assert max(comparison.error for comparison in comparisons) < 1e-9


def test_the_layer_checker_notices_another_epsilon():
    fixture = variation(5, False, "mean", True, True)
    fixture.hyper["eps"] = 0.02
    assert max(comparison.error for comparison in hemenet_layer.check(fixture)) > 1e-6


def test_another_activation_is_refused():
    fixture = variation(5, False, "mean", True, True)
    fixture.hyper["activation"] = "ReLU"
    with pytest.raises(ValueError, match="the layer has SiLU only"):
        list(hemenet_layer.check(fixture))
