"""GET's equations atom by atom and block by block, to compare the fast form with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, silu

Params = dict[str, Tensor]


def rbf(d: Tensor, num: int, cutoff: float) -> Tensor:
    """Gaussians [num] of one distance, under a polynomial of exponent 5."""
    x = d / cutoff
    if float(x) >= 1:
        return torch.zeros(num, dtype=d.dtype)
    p = 5
    envelope = (
        1
        - (p + 1) * (p + 2) / 2 * x**p
        + p * (p + 2) * x ** (p + 1)
        - p * (p + 1) / 2 * x ** (p + 2)
    )
    # as many digits as the layers have
    centres = torch.linspace(0, 1, num).to(d.dtype)
    return envelope * (-0.5 * (num - 1) ** 2 * (x - centres) ** 2).exp()


def net(p: Params, name: str, x: Tensor, places: Sequence[int], last: bool = True) -> Tensor:
    """Linears at these places of a perceptron, with SiLU after each or all but the last."""
    for place in places:
        x = linear(x, p[f"{name}.{place}.weight"], p[f"{name}.{place}.bias"])
        if last or place != places[-1]:
            x = silu(x)
    return x


def slow_attention(
    p: Params,
    h: Tensor,
    z: Tensor,
    blocks: list[list[int]],
    edges: list[tuple[int, int, Tensor]],
    nearest: dict[tuple[int, int], list[int]],
    heads: int,
    gaussians: int,
    cutoff: float,
) -> tuple[Tensor, Tensor]:
    """h' [U, d] and z' [U, 3].

    Args:
        p: Parameters of the layer.
        h: [U, d].
        z: [U, 3].
        blocks: Atoms of each block.
        edges: Receiving block, sending block and features of each edge.
        nearest: Edge and atom → atoms of the sending block that it attends to.
        heads: Number of heads.
        gaussians: Number of Gaussians.
        cutoff: Where they end.
    """
    by_head = h.view(len(h), heads, -1)
    qk = linear(by_head, p["linear_qk.weight"])
    value = linear(by_head, p["linear_v.weight"], p["linear_v.bias"])
    total, moved = torch.zeros_like(h), z.clone()
    scores: dict[int, Tensor] = {}
    inner: dict[int, dict[int, Any]] = {}
    for number, (i, _, features) in enumerate(edges):
        edge = linear(features, p["edge_linear.weight"], p["edge_linear.bias"]).view(heads, -1)
        seen, inner[number] = [], {}
        for a in blocks[i]:
            rows, message, moving, offsets = [], [], [], []
            for b in nearest[number, a]:
                d = rbf((z[a] - z[b]).norm(), gaussians, cutoff).view(heads, -1)
                r = torch.cat([qk[a, :, 0::2], qk[b, :, 1::2], d, edge], dim=1)
                rows.append(net(p, "att_mlp", r, (0, 2)))
                sent = torch.cat([value[b], d], dim=1)
                message.append(net(p, "unit_msg_mlp", sent, (0, 2)))
                moving.append(net(p, "unit_msg_coord_mlp", sent, (0, 2)))
                offsets.append(z[a] - z[b])
            r = torch.stack(rows)
            seen += rows
            alpha = linear(r, p["unit_att_linear.weight"], p["unit_att_linear.bias"]).softmax(0)
            inner[number][a] = (alpha, torch.stack(message), torch.stack(moving), offsets)
        mean = torch.stack(seen).mean(0)
        scores[number] = linear(mean, p["block_att_linear.weight"], p["block_att_linear.bias"])
    for i, atoms in enumerate(blocks):
        mine = [number for number, edge in enumerate(edges) if edge[0] == i]
        if not mine:
            continue
        beta = torch.stack([scores[number] for number in mine]).softmax(0)
        for weight, number in zip(beta, mine, strict=True):
            for a in atoms:
                alpha, message, moving, offsets = inner[number][a]
                pooled = net(p, "node_mlp", (alpha * message).sum(0).flatten(), (0, 2))
                total[a] += (weight * pooled.view(heads, -1)).flatten()
                gate = net(p, "coord_mlp", (alpha * moving).sum(0).flatten(), (0, 2))
                factor = linear(
                    moving, p["unit_msg_coord_linear.weight"], p["unit_msg_coord_linear.bias"]
                )
                for n, offset in enumerate(offsets):
                    moved[a] += (weight[:, 0] * gate * alpha[n, :, 0] * factor[n, :, 0]).sum() * (
                        offset
                    )
    return h + linear(total, p["node_out_linear.weight"], p["node_out_linear.bias"]), moved


def slow_feed_forward(
    p: Params, h: Tensor, z: Tensor, blocks: list[list[int]], gaussians: int
) -> tuple[Tensor, Tensor]:
    """h' [U, d] and z' [U, 3]."""
    new_h, new_z = h.clone(), z.clone()
    for atoms in blocks:
        centre, mean = z[atoms].mean(0), h[atoms].mean(0)
        for a in atoms:
            offset = z[a] - centre
            x = torch.cat([h[a], mean, rbf(offset.norm(), gaussians, 7.0)])
            new_h[a] = h[a] + net(p, "mlp_h", x, (0, 3, 6), last=False)
            new_z[a] = centre + net(p, "mlp_z", x, (0, 3, 6), last=False) * offset
    return new_h, new_z


def slow_norm(
    p: Params, h: Tensor, z: Tensor, graphs: list[list[int]], gaussians: int, cutoff: float
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """h' [U, d], z' [U, 3] and the factor of each structure."""
    new_h, new_z, factors = h.clone(), z.clone(), []
    for atoms in graphs:
        centred = z[atoms] - z[atoms].mean(0)
        deviation = math.sqrt(float(centred.square().sum()) / (3 * len(atoms) - 1 + 1e-6))
        factor = p["sigma"][0] / deviation
        told = net(p, "fuse_scale_ffn", rbf(factor, gaussians, cutoff), (0, 2))
        new_z[atoms] = z[atoms].mean(0) + centred * factor
        new_h[atoms] = layer_norm(
            h[atoms] + told, (h.shape[1],), p["layernorm.weight"], p["layernorm.bias"]
        )
        factors.append(factor)
    return new_h, new_z, factors
