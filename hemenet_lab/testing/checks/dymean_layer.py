"""The dyMEAN layer against the authors' and against the one released with HeMeNet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from baselines import DyMEANLayer
from hemenet_lab.encoders import ChannelGraph
from hemenet_lab.testing.checks.fixture import Comparison, Fixture
from hemenet_lab.testing.checks.released import (
    embedding,
    present_inputs,
    released_epsilon,
    released_graph,
    require_silu,
)

_INPUTS = ("h", "coords", "channel_weights", "channel_attr", "edge_weights", "edge_attr")


class ReleasedGMSL(DyMEANLayer):
    """The ``gmsl`` variant with the released code's ε, which depends on X."""

    def epsilon(self, coords: Tensor, graph: ChannelGraph) -> Tensor:
        return released_epsilon(coords, graph, self.eps)


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Compares every variant of a ``dymean_layer`` fixture."""
    require_silu(fixture)
    for variant, options in fixture.variants.items():
        gmsl = options["impl"] == "GMSL"
        layer = _layer(fixture.params(variant), fixture.hyper | options, gmsl)
        h, coords = _run(layer, fixture, gmsl)
        yield fixture.compare(f"output/{variant}/h", h)
        yield fixture.compare(f"output/{variant}/coords", coords)


def _layer(params: dict[str, Tensor], options: dict[str, Any], gmsl: bool) -> DyMEANLayer:
    params = {name.replace("message_mlp.", "edge_mlp."): value for name, value in params.items()}
    radial, width = params["radial_linear.weight"].shape
    message, concatenated = params["edge_mlp.0.weight"].shape
    update = params["phi_h.weight" if gmsl else "node_mlp.2.weight"]
    dim = len(update)
    kind = ReleasedGMSL if gmsl else DyMEANLayer
    layer = kind(
        dim,
        options["n_channel"],
        round(width**0.5),
        radial,
        concatenated - 2 * dim - radial,
        message,
        variant="gmsl" if gmsl else "dymean",
        dropout=0.0,
        attention=options["attention"],
        tanh=options.get("tanh", False),
        coords_aggregation=options["coords_agg"],
        eps=options["gmsl_eps" if gmsl else "radial_norm_constant"],
        centroid_eps=options["gmsl_eps"] if gmsl else 0.0,
        move_padding=True,
    ).double()
    layer.load_state_dict(params)
    return layer.eval()


def _run(layer: DyMEANLayer, fixture: Fixture, gmsl: bool) -> tuple[Tensor, Tensor]:
    inputs = present_inputs(fixture, _INPUTS)
    edge_index = fixture.input("edge_index")
    graph = released_graph(
        inputs,
        edge_index,
        torch.zeros_like(edge_index[0]),
        1,
        inputs.get("edge_attr") if layer.widths[-1] else None,
        inputs.get("edge_weights") if gmsl else None,
    )
    width = inputs["channel_attr"].shape[-1]
    return layer(inputs["h"], inputs["coords"], graph, embedding(width))
