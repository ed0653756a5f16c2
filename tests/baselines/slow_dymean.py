"""The dyMEAN layer written out edge by edge, to compare the fast form with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from tests.encoders.slow_layer import (
    Inputs,
    Options,
    Params,
    centroid,
    distances,
    length,
    pool,
    radial,
)


def slow_radial(
    p: Params, data: Inputs, i: int, j: int, largest: Tensor, options: Options, gmsl: bool
) -> Tensor:
    """ρ of an edge j → i."""
    weight, bias = p["radial_linear.weight"], p["radial_linear.bias"]
    if gmsl:
        return linear(radial(data, i, j, largest, options), weight, bias)
    weights = data.channel_weights
    d = distances(data.coords[i], data.coords[j]) * weights[i][:, None] * weights[j][None]
    r = data.channel_attr[i].T @ d @ data.channel_attr[j]
    return linear(r.flatten(), weight, bias) / (r.norm() + options.eps)


def slow_message(p: Params, x: Tensor, attention: bool) -> Tensor:
    m = silu(linear(x, p["edge_mlp.0.weight"], p["edge_mlp.0.bias"]))
    m = silu(linear(m, p["edge_mlp.2.weight"], p["edge_mlp.2.bias"]))
    if attention:
        m = m * torch.sigmoid(linear(m, p["att_mlp.0.weight"], p["att_mlp.0.bias"]))
    return m


def slow_dymean(
    p: Params, data: Inputs, options: Options, gmsl: bool, tanh: bool = False
) -> tuple[Tensor, Tensor]:
    """h' [N, D] and X' [N, C, 3]; relations are ignored."""
    x, h, weights = data.coords, data.h, data.channel_weights
    total = torch.zeros(len(h), len(p["edge_mlp.2.bias"]), dtype=h.dtype)
    moved, degree = torch.zeros_like(x), torch.zeros(len(h), dtype=h.dtype)
    largest = torch.stack([distances(x[i], x[j]).max() for j, i, _ in data.edges]).max()
    for e, (j, i, _) in enumerate(data.edges):
        rho = slow_radial(p, data, i, j, largest, options, gmsl)
        m = slow_message(p, torch.cat([h[i], h[j], rho, data.edge_attr[e]]), options.attention)
        z = linear(m, p["coord_mlp.0.weight"], p["coord_mlp.0.bias"])
        z = linear(silu(z), p["coord_mlp.2.weight"])
        z = pool(z.tanh() if tanh else z, length(weights[i]))
        if not options.move_padding:
            z = z * (weights[i] != 0)
        moved[i] += (x[i] - centroid(x[j], weights[j], options.centroid_eps)) * z[:, None]
        total[i] += m * (data.edge_weights[e] if gmsl else 1)
        degree[i] += 1
    if options.mean:
        moved = moved / degree.clamp(min=1)[:, None, None]
    if gmsl:
        return h + linear(total, p["phi_h.weight"], p["phi_h.bias"]), x + moved
    u = linear(torch.cat([h, total], dim=1), p["node_mlp.0.weight"], p["node_mlp.0.bias"])
    return h + linear(silu(u), p["node_mlp.2.weight"], p["node_mlp.2.bias"]), x + moved
