"""CDConv's convolution, block and pooling against the published ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from baselines import (
    CDConvBlock,
    ContinuousDiscreteConv,
    Neighborhood,
    Points,
    average_pool,
    neighborhood,
)
from hemenet_lab.testing.checks.fixture import Comparison, Fixture


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Every convolution and block, in training mode too, and one pooling."""
    # the published convolution knows one chain per graph
    points = Points(
        fixture.input("pos"),
        fixture.input("seq").squeeze(1),
        fixture.input("ori"),
        fixture.input("batch"),
        fixture.input("batch"),
    )
    x = fixture.input("x")
    for variant, options in fixture.variants.items():
        module = _module(fixture, options)
        module.double().load_state_dict(_weights(fixture, variant))
        near = neighborhood(points, options["r"], options["l"])
        yield fixture.compare(f"output/{variant}/x", module.eval()(x, near))
        if fixture.has(f"output/{variant}/train/x"):
            yield from _check_training(fixture, variant, module, x, near)
    yield from _check_pooling(fixture, x, points)


def _module(fixture: Fixture, options: dict[str, Any]) -> nn.Module:
    sizes = (fixture.hyper["in_channels"], options["out_channels"], options["l"])
    slope = fixture.hyper["leaky_relu_slope"]
    if options["kind"] == "CDConv":
        return ContinuousDiscreteConv(*sizes, options["kernel_channels"], slope)
    return CDConvBlock(
        *sizes,
        options["kernel_channels"],
        options["base_width"],
        options["bn_momentum"],
        slope=slope,
    )


def _weights(fixture: Fixture, variant: str) -> dict[str, Tensor]:
    """The published names without the ``module`` that wraps each step."""
    params = fixture.params(variant)
    return {name.replace(".module.", "."): value for name, value in params.items()}


def _check_training(
    fixture: Fixture, variant: str, module: nn.Module, x: Tensor, near: Neighborhood
) -> Iterator[Comparison]:
    yield fixture.compare(f"output/{variant}/train/x", module.train()(x, near))
    buffers = module.state_dict()
    prefix = f"output/{variant}/train/after_step/"
    for key in fixture.keys(prefix):
        name = key.removeprefix(prefix).replace(".module.", ".")
        yield fixture.compare(key, buffers[name])


def _check_pooling(fixture: Fixture, x: Tensor, points: Points) -> Iterator[Comparison]:
    """The published clusters: rows are merged while seq // 2 stays, whatever their graph."""
    half = points.seq.div(2, rounding_mode="floor")
    changes = torch.cat([torch.zeros(1, dtype=torch.long), half.diff().ne(0).long()])
    cluster = changes.cumsum(0)
    pooled, merged = average_pool(x, points, cluster, int(cluster[-1]) + 1)
    yield fixture.compare("output/avg_pool/x", pooled)
    yield fixture.compare("output/avg_pool/pos", merged.pos)
    yield fixture.compare("output/avg_pool/seq", merged.seq.unsqueeze(1))
    yield fixture.compare("output/avg_pool/ori", merged.ori)
    yield fixture.compare("output/avg_pool/batch", merged.batch)
