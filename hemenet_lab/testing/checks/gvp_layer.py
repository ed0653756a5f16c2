"""GVP's perceptron and convolution against gvp-pytorch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from baselines import SQUARE_FLOOR, Activation, GVPConvLayer, Pair, VectorPerceptron
from hemenet_lab.testing.checks.fixture import Comparison, Fixture


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Scalars and vectors of every variant."""
    if fixture.hyper["norm_clamp"] != SQUARE_FLOOR:
        raise ValueError(
            f"norm_clamp {fixture.hyper['norm_clamp']}: squared lengths are clamped at "
            f"{SQUARE_FLOOR}, which is no option"
        )
    for variant, options in fixture.variants.items():
        module = _module(fixture, options)
        module.double().eval().load_state_dict(fixture.params(variant))
        s, v = _run(fixture, module, options)
        yield fixture.compare(f"output/{variant}/s", s)
        if fixture.has(f"output/{variant}/v"):
            yield fixture.compare(f"output/{variant}/v", v)


def _module(fixture: Fixture, options: dict[str, Any]) -> nn.Module:
    scalar, vector = (_activation(name) for name in options["activations"])
    if options["kind"] == "GVP":
        return VectorPerceptron(
            tuple(options["in_dims"]),
            tuple(options["out_dims"]),
            options.get("h_dim"),
            (scalar, vector),
            options["vector_gate"],
        )
    return GVPConvLayer(
        tuple(fixture.hyper["node_dims"]),
        tuple(fixture.hyper["edge_dims"]),
        options["n_message"],
        options["n_feedforward"],
        activations=(scalar, vector),
        vector_gate=options["vector_gate"],
    )


def _activation(name: str | None) -> Activation:
    return getattr(functional, name) if name else None


def _run(fixture: Fixture, module: nn.Module, options: dict[str, Any]) -> Pair:
    s, v = fixture.input("node_s"), fixture.input("node_v")
    if options["kind"] == "GVP":
        takes_vectors = options["in_dims"][1] > 0
        return module((s, v if takes_vectors else _no_vectors(s)))
    edge = (fixture.input("edge_s"), fixture.input("edge_v"))
    return module((s, v), fixture.input("edge_index"), edge)


def _no_vectors(s: Tensor) -> Tensor:
    return s.new_zeros(len(s), 0, 3)
