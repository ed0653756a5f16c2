"""Inputs of the released multi-channel layers, and their unusual ε.

The released layers multiply the channel attributes A_i [C, F], which may differ in every node, by
channel weights w_i. The fast form takes A_i w_i = S_i Emb with any S_i [C, K]; here K = F, Emb is a
fixed rotation of the F features and S_i = w_i A_i Embᵀ, so that all of its code is exercised.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hemenet_lab.encoders import ChannelGraph, channel_graph
from hemenet_lab.testing.checks.fixture import Fixture


def embedding(width: int) -> Tensor:
    """A fixed rotation, [width, width], in the place of a table of embeddings."""
    generator = torch.Generator().manual_seed(width)
    return torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))[0]


def released_graph(
    inputs: dict[str, Tensor],
    edge_index: Tensor,
    relation: Tensor,
    num_relations: int,
    edge_attr: Tensor | None,
    edge_weight: Tensor | None,
) -> ChannelGraph:
    """The shared part of a released layer's input.

    Args:
        inputs: ``channel_weights`` [N, C] and ``channel_attr`` [N, C, F].
        edge_index: Sources and targets, [2, E].
        relation: [E].
        num_relations: Number of relations.
        edge_attr: [E, T], None if the layer uses none.
        edge_weight: [E], None for 1.
    """
    weights, attr = inputs["channel_weights"], inputs["channel_attr"]
    channels = weights.unsqueeze(-1) * attr @ embedding(attr.shape[-1]).t()
    if edge_attr is None:
        edge_attr = weights.new_zeros(len(relation), 0)
    mask = weights.detach() != 0
    return channel_graph(
        edge_index, relation, num_relations, channels, mask, edge_attr, edge_weight
    )


def released_epsilon(coords: Tensor, graph: ChannelGraph, eps: float) -> Tensor:
    """ε = eps (μ + eps), μ the largest distance over all edges and channels, padding included.

    The released layers divide every distance by μ + eps and then normalise with eps, which is
    R / (‖R‖ + ε). The result depends on the whole batch, so our layers have a constant ε instead.
    """
    if not len(graph.source):
        return coords.new_full((), eps * eps)
    source, target = coords[graph.source], coords[graph.target]
    squares = (source.unsqueeze(1) - target.unsqueeze(2)).square().sum(-1)
    largest: Tensor = squares.max().sqrt() if squares.max() > 0 else squares.max()
    return eps * (largest + eps)


def present_inputs(fixture: Fixture, names: tuple[str, ...]) -> dict[str, Tensor]:
    """Those inputs that the file has, as leaves that collect gradients."""
    return {
        name: fixture.input(name).requires_grad_() for name in names if fixture.has(f"input/{name}")
    }


def batch_norm_names(params: dict[str, Tensor]) -> dict[str, Tensor]:
    """Released state dict → ours: ``batch_norm`` is called ``norm`` here."""
    return {name.replace("batch_norm.", "norm."): value for name, value in params.items()}


def require_silu(fixture: Fixture) -> None:
    """Refuses a fixture made with another activation, which our layers do not have."""
    activation = fixture.hyper.get("activation", "SiLU")
    if activation != "SiLU":
        raise ValueError(f"{fixture.name}: activation {activation}; the layer has SiLU only")
