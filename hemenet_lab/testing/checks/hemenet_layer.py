"""The HeMeNet layer against the released one: outputs, gradients and training mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from hemenet_lab.encoders import ChannelGraph, HeMeNetLayer
from hemenet_lab.testing.checks.fixture import Comparison, Fixture
from hemenet_lab.testing.checks.released import (
    batch_norm_names,
    embedding,
    present_inputs,
    released_epsilon,
    released_graph,
    require_silu,
)

INPUTS = ("h", "coords", "channel_weights", "channel_attr", "edge_weights", "edge_attr")


class ReleasedLayer(HeMeNetLayer):
    """The layer with the released code's ε, centroids and drifting padding."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, move_padding=True, dropout=0.0, **options)
        self.centroid_eps = self.eps

    def epsilon(self, coords: Tensor, graph: ChannelGraph) -> Tensor:
        return released_epsilon(coords, graph, self.eps)


def released_layer(params: dict[str, Tensor], options: dict[str, Any]) -> ReleasedLayer:
    """A layer with released parameters, whose shapes give its sizes.

    Args:
        params: State dict of the released layer.
        options: ``channel_dim``, ``eps``, ``coords_agg``, ``batch_norm``; ``attention`` if any.
    """
    relations, dim = len(params["w_r"]), len(params["hetero_linear.weight"])
    radial = len(params["radial_linear.bias"])
    message = len(params["message_mlp.0.bias"])
    edge_dim = params["message_mlp.0.weight"].shape[1] - 2 * dim - radial
    layer = ReleasedLayer(
        dim,
        relations,
        options["channel_dim"],
        radial,
        edge_dim,
        message_dim=message,
        norm="batch" if options["batch_norm"] else "none",
        coords_aggregation=options["coords_agg"],
        attention=options.get("attention", False),
        eps=options["eps"],
    ).double()
    layer.load_state_dict(batch_norm_names(params))
    return layer


def shared_arguments(
    fixture: Fixture, inputs: dict[str, Tensor], num_relations: int
) -> tuple[ChannelGraph, Tensor, Tensor]:
    """Inputs of all layers besides h and coords: graph, channel and edge embedding.

    The attributes of an edge become weights of the rows of an edge embedding, a rotation.
    """
    edges, edge_attr = fixture.input("edge_list"), inputs.get("edge_attr")
    edge_dim = 0 if edge_attr is None else edge_attr.shape[1]
    if edge_attr is not None:
        edge_attr = edge_attr @ embedding(edge_dim).t()
    graph = released_graph(
        inputs,
        edges[:, :2].t(),
        edges[:, 2],
        num_relations,
        edge_attr,
        inputs.get("edge_weights"),
    )
    width = inputs["channel_attr"].shape[-1]
    return graph, embedding(width), embedding(edge_dim)


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Compares every variant of a ``hemenet_layer`` fixture."""
    require_silu(fixture)
    for variant, options in fixture.variants.items():
        layer = released_layer(fixture.params(variant), fixture.hyper | options)
        inputs = present_inputs(fixture, INPUTS if options["uses_edge_attr"] else INPUTS[:-1])
        yield from _eval_mode(fixture, variant, layer.eval(), inputs)
        if fixture.keys(f"output/{variant}/train/"):
            yield from _train_mode(fixture, variant, layer.train(), inputs)


def _eval_mode(
    fixture: Fixture, variant: str, layer: ReleasedLayer, inputs: dict[str, Tensor]
) -> Iterator[Comparison]:
    shared = shared_arguments(fixture, inputs, layer.num_relations)
    h, coords = layer(inputs["h"], inputs["coords"], *shared)
    loss = h.square().sum() + coords.square().sum()
    loss.backward()
    for name, got in {"h": h, "coords": coords, "loss": loss}.items():
        if fixture.has(f"output/{variant}/{name}"):
            yield fixture.compare(f"output/{variant}/{name}", got)
    gradients = {f"input/{name}": x.grad for name, x in inputs.items()}
    for name, parameter in layer.named_parameters():
        released = name.replace("norm.", "batch_norm.")
        gradients[f"param/{released}"] = parameter.grad
    for name, gradient in gradients.items():
        if fixture.has(f"grad/{variant}/{name}"):
            assert gradient is not None
            yield fixture.compare(f"grad/{variant}/{name}", gradient)


def _train_mode(
    fixture: Fixture, variant: str, layer: ReleasedLayer, inputs: dict[str, Tensor]
) -> Iterator[Comparison]:
    shared = shared_arguments(fixture, inputs, layer.num_relations)
    h, coords = layer(inputs["h"], inputs["coords"], *shared)
    yield fixture.compare(f"output/{variant}/train/h", h)
    yield fixture.compare(f"output/{variant}/train/coords", coords)
    state = layer.state_dict()
    for name in ("running_mean", "running_var"):
        key = f"output/{variant}/train/after_step/batch_norm.{name}"
        yield fixture.compare(key, state[f"norm.{name}"])
