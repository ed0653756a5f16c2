"""Checks `baselines.egnn.EGNNLayer` against the authors' layer (``E_GCL`` of egnn_clean)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from baselines import EGNNLayer
from hemenet_lab.testing.checks.fixture import Comparison, Fixture


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Node features and coordinates of every variant."""
    for variant, options in (fixture.variants or {"": {}}).items():
        layer = build_layer({**fixture.hyper, **options})
        layer.load_state_dict(fixture.params(variant or None))
        edge_attr = fixture.input("edge_attr") if fixture.has("input/edge_attr") else None
        inputs = (fixture.input("h"), fixture.input("coords"), fixture.input("edge_index"))
        with torch.no_grad():
            h, coords = layer(*inputs, edge_attr if layer.widths[2] > 1 else None)
        head = f"output/{variant}/" if variant else "output/"
        yield fixture.compare(f"{head}h", h)
        yield fixture.compare(f"{head}coords", coords)


def build_layer(options: dict[str, Any]) -> EGNNLayer:
    """The layer that a fixture's hyperparameters describe, in float64 and evaluation mode."""
    activation: type[nn.Module] = getattr(nn, options["activation"])
    layer = EGNNLayer(
        options["input_nf"],
        options["hidden_nf"],
        options["output_nf"],
        options["edges_in_d"],
        attention=options["attention"],
        normalize=options["normalize"],
        tanh=options["tanh"],
        residual=options["residual"],
        coords_aggregation=options["coords_agg"],
        epsilon=options["epsilon"],
        activation=activation,
    )
    return layer.double().eval()
