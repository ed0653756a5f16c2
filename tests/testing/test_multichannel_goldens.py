"""The released multi-channel layers and readout: stored numbers, and files of other sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, layer_norm

from hemenet_lab.model.readout import TaskAware
from hemenet_lab.testing import goldens
from hemenet_lab.testing.checks import (
    dymean_layer,
    hemenet_encoder,
    hemenet_layer,
    task_aware_readout,
)
from hemenet_lab.testing.checks.fixture import Fixture
from tests.baselines.slow_dymean import slow_dymean
from tests.encoders.slow_layer import Inputs, Options, slow_layer
from tests.model.test_readout import slow_task_aware

GOLDENS = Path(__file__).parents[1] / "goldens"
MINE = ("hemenet_layer", "hemenet_encoder", "task_aware_readout", "dymean_layer")


@pytest.mark.parametrize("name", MINE)
def test_stored_numbers_to_1e_9(name, capsys):
    assert goldens.main([str(GOLDENS), "--only", name]) == 0
    assert " 0 failed" in capsys.readouterr().out


N, C, F, D, H, R, T, E = 8, 5, 3, 4, 6, 3, 2, 20
"""Sizes that differ from those of the stored files, and from each other."""


def normal_numbers(seed):
    """Draws standard normal float64 tensors."""
    g = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)


def random_inputs(normal, seed):
    """Inputs of a layer without edges into or out of the last node, and the edges [E, 3]."""
    g = torch.Generator().manual_seed(seed)
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
    return inputs, edges


def layer_params(normal, attention, bn, used):
    """Parameters of a released layer; ``used`` is the width of its edge attributes."""
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
    return params


def slow_inputs(inputs, edges, edge_attr=True):
    """The slow layers' form of the inputs."""
    return Inputs(
        inputs["h"],
        inputs["coords"],
        inputs["channel_attr"],
        inputs["channel_weights"],
        [tuple(edge) for edge in edges.tolist()],
        inputs["edge_attr"] if edge_attr else torch.zeros(E, 0).double(),
        inputs["edge_weights"],
    )


def as_fixture(kind, arrays, hyper):
    numbers = {key: value.detach().numpy() for key, value in arrays.items()}
    return Fixture(numbers, {"fixture": kind, "hyperparameters": hyper})


def assert_all_equal(fixture, comparisons):
    comparisons = list(comparisons)
    assert fixture.uncovered(comparisons) == []
    assert all(fixture.has(comparison.key) for comparison in comparisons)
    assert max(comparison.error for comparison in comparisons) < 1e-9


def layer_file(seed, attention, agg, bn, edge_attr, eps=0.01):
    """A file made by the slow layer with the released code's options."""
    normal = normal_numbers(seed)
    inputs, edges = random_inputs(normal, seed)
    params = layer_params(normal, attention, bn, T if edge_attr else 0)
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    trained = {
        name: value.clone().requires_grad_("running" not in name)
        for name, value in params.items()
        if value.is_floating_point()
    }
    data = slow_inputs(leaves, edges, edge_attr)
    options = Options(eps, eps, True, True, agg == "mean", attention)
    arrays = {f"input/{name}": value for name, value in inputs.items()}
    arrays |= {f"param/v/{name}": value for name, value in params.items()}
    arrays["input/edge_list"] = edges
    for training in (False, True) if bn else (False,):
        options.norm = norm_of(trained, training) if bn else nn.Identity()
        h, coords = slow_layer(trained, data, options)
        place = "output/v/train/" if training else "output/v/"
        arrays |= {place + "h": h, place + "coords": coords}
        if not training:
            arrays |= loss_and_gradients(h, coords, leaves, trained)
    if bn:
        for name in ("running_mean", "running_var"):
            key = f"output/v/train/after_step/batch_norm.{name}"
            arrays[key] = trained[f"batch_norm.{name}"]
    variant = {
        "coords_agg": agg,
        "batch_norm": bn,
        "attention": attention,
        "uses_edge_attr": edge_attr,
    }
    hyper = {"channel_dim": C, "eps": eps, "activation": "SiLU", "variants": {"v": variant}}
    return as_fixture("hemenet_layer", arrays, hyper)


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
def test_layer_file_of_other_sizes(attention, agg, bn, edge_attr):
    fixture = layer_file(5, attention, agg, bn, edge_attr)
    assert_all_equal(fixture, hemenet_layer.check(fixture))


def test_the_layer_checker_notices_another_epsilon():
    fixture = layer_file(5, False, "mean", True, True)
    fixture.hyper["eps"] = 0.02
    assert max(comparison.error for comparison in hemenet_layer.check(fixture)) > 1e-6


def test_another_activation_is_refused():
    fixture = layer_file(5, False, "mean", True, True)
    fixture.hyper["activation"] = "ReLU"
    with pytest.raises(ValueError, match="the layer has SiLU only"):
        list(hemenet_layer.check(fixture))


@pytest.mark.parametrize(("depth", "bn", "agg"), [(2, True, "mean"), (4, False, "sum")])
def test_encoder_file_of_other_sizes(depth, bn, agg):
    eps = 0.02
    normal = normal_numbers(7)
    inputs, edges = random_inputs(normal, 7)
    data, features, arrays = slow_inputs(inputs, edges), [], {"input/edge_list": edges}
    arrays |= {f"input/{name}": value for name, value in inputs.items()}
    for number in range(depth):
        params = layer_params(normal, False, bn, T)
        params = {
            name: value if "batch_norm" in name else value / 4 for name, value in params.items()
        }
        arrays |= {f"param/layers.{number}.{name}": value for name, value in params.items()}
        options = Options(eps, eps, True, True, agg == "mean")
        options.norm = norm_of(params, False) if bn else nn.Identity()
        h, coords = slow_layer(params, data, options)
        arrays |= {
            f"output/layer{number}/h_before_norm": h,
            f"output/layer{number}/coords": coords,
        }
        weight, bias = normal(D), normal(D)
        arrays |= {f"param/layer_norms.{number}.weight": weight}
        arrays |= {f"param/layer_norms.{number}.bias": bias}
        features.append(layer_norm(h, (D,), weight, bias))
        data = replace(data, h=features[-1], coords=coords)
    arrays |= {"output/node_feature": torch.cat(features, 1), "output/coords": coords}
    hyper = {"hidden_dims": [D] * depth, "num_relation": R, "channel_dim": C, "eps": eps}
    hyper |= {"edge_input_dim": T, "batch_norm": bn, "coords_agg": agg}
    fixture = as_fixture("hemenet_encoder", arrays, hyper)
    assert_all_equal(fixture, hemenet_encoder.check(fixture))


def test_readout_file_of_other_sizes():
    torch.manual_seed(3)
    readout = TaskAware(12, 5, num_heads=3).double()
    x, group = torch.randn(7, 12).double(), torch.zeros(7, dtype=torch.long)
    arrays = {f"param/{name}": value for name, value in readout.state_dict().items()}
    prompt = arrays.pop("param/prompt")
    arrays |= {"input/task_prompt": prompt[None], "input/x": x, "input/index": group}
    arrays |= {"output/task_features": slow_task_aware(readout, x, group, 1)}
    hyper = {"in_features": 12, "num_attention_heads": 3, "layernorm_eps": 1e-12}
    fixture = as_fixture("task_aware_readout", arrays, hyper)
    assert_all_equal(fixture, task_aware_readout.check(fixture))


@pytest.mark.parametrize("gmsl", [True, False])
def test_dymean_file_of_other_sizes(gmsl):
    normal = normal_numbers(9)
    inputs, edges = random_inputs(normal, 9)
    used, radial = (0, F) if gmsl else (T, 2)
    params = layer_params(normal, True, False, used)
    del params["w_r"], params["hetero_linear.weight"], params["hetero_linear.bias"]
    params |= {"message_mlp.0.weight": normal(H, 2 * D + radial + used)}
    params |= {"radial_linear.weight": normal(radial, F * F), "radial_linear.bias": normal(radial)}
    if gmsl:
        params |= {"phi_h.weight": normal(D, H), "phi_h.bias": normal(D)}
    else:
        params |= {"node_mlp.0.weight": normal(H, D + H), "node_mlp.0.bias": normal(H)}
        params |= {"node_mlp.2.weight": normal(D, H), "node_mlp.2.bias": normal(D)}
    ours = {name.replace("message_mlp", "edge_mlp"): value for name, value in params.items()}
    stored = params if gmsl else ours
    data = slow_inputs(inputs, edges, not gmsl)
    options = Options(0.02 if gmsl else 3, 0.02 if gmsl else 0, gmsl, True, gmsl, True)
    h, coords = slow_dymean(ours, data, options, gmsl, tanh=not gmsl)
    arrays = {f"input/{name}": value for name, value in inputs.items()}
    arrays |= {f"param/v/{name}": value for name, value in stored.items()}
    arrays |= {"input/edge_index": edges[:, :2].t(), "output/v/h": h, "output/v/coords": coords}
    variant = {"impl": "GMSL" if gmsl else "dyMEAN", "attention": True, "tanh": not gmsl}
    variant["coords_agg"] = "mean" if gmsl else "sum"
    hyper = {"n_channel": C, "gmsl_eps": 0.02, "radial_norm_constant": 3}
    fixture = as_fixture("dymean_layer", arrays, hyper | {"variants": {"v": variant}})
    assert_all_equal(fixture, dymean_layer.check(fixture))
