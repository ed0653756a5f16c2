"""The HeMeNet layer written out edge by edge, to compare the fast form with.

With the options' defaults this is the paper (Eq. 1-4 and the choices of the project); the others
turn it into the layer that the authors released.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

Params = dict[str, Tensor]


@dataclass
class Inputs:
    """N nodes, C channels, E edges; all float64."""

    h: Tensor
    """[N, D]."""
    coords: Tensor
    """[N, C, 3]."""
    channel_attr: Tensor
    """A, [N, C, F]."""
    channel_weights: Tensor
    """w, [N, C], 0 for padding."""
    edges: list[tuple[int, int, int]]
    """(source j, target i, relation r)."""
    edge_attr: Tensor
    """e_r of every edge, [E, T]."""
    edge_weights: Tensor
    """ω, [E]."""


@dataclass
class Options:
    """What differs between the paper's layer and the released one."""

    eps: float = 1e-3
    centroid_eps: float = 0.0
    scale_by_largest: bool = False
    """Divide distances by their maximum over the batch."""
    move_padding: bool = False
    mean: bool = True
    attention: bool = False
    norm: Callable[[Tensor], Tensor] = torch.nn.Identity()  # noqa: RUF009 - without state


def pool(z: Tensor, n: int) -> Tensor:
    """T_S: entry c is the mean of z[c : c + C - n + 1], divided by the full window at the end."""
    window = len(z) - n + 1
    return torch.stack([z[c : c + window].sum() / window for c in range(len(z))])


def distances(x: Tensor, y: Tensor) -> Tensor:
    """[C, C], first index of x; gradient 0 at 0."""
    return torch.linalg.vector_norm(x[:, None] - y[None], dim=-1)


def length(weights: Tensor) -> int:
    """Last occupied channel + 1."""
    return int(weights.nonzero().max()) + 1


def centroid(x: Tensor, weights: Tensor, eps: float) -> Tensor:
    real = weights != 0
    return x[real].sum(0) / (int(real.sum()) + eps)


def radial(data: Inputs, i: int, j: int, largest: Tensor, options: Options) -> Tensor:
    """R_ij / (‖R_ij‖ + ε), flattened."""
    d = distances(data.coords[i], data.coords[j])
    if options.scale_by_largest:
        d = d / (largest + options.eps)
    d = d * data.channel_weights[i][:, None] * data.channel_weights[j][None]
    r = data.channel_attr[i].T @ d @ data.channel_attr[j]
    return (r / (torch.linalg.matrix_norm(r) + options.eps)).flatten()


def messages(p: Params, data: Inputs, options: Options) -> list[Tensor]:
    """m_ij of every edge."""
    everything = [distances(data.coords[i], data.coords[j]).max() for j, i, _ in data.edges]
    largest = torch.stack(everything).max() if everything else torch.zeros(())
    result = []
    for e, (j, i, _) in enumerate(data.edges):
        rho = linear(
            radial(data, i, j, largest, options), p["radial_linear.weight"], p["radial_linear.bias"]
        )
        m = torch.cat([data.h[i], data.h[j], rho, data.edge_attr[e]])
        m = silu(linear(m, p["message_mlp.0.weight"], p["message_mlp.0.bias"]))
        m = silu(linear(m, p["message_mlp.2.weight"], p["message_mlp.2.bias"]))
        if options.attention:
            m = m * torch.sigmoid(linear(m, p["att_mlp.0.weight"], p["att_mlp.0.bias"]))
        result.append(m)
    return result


def slow_layer(p: Params, data: Inputs, options: Options) -> tuple[Tensor, Tensor]:
    """h' [N, D] and X' [N, C, 3] from parameters named as in the released layer."""
    all_messages = messages(p, data, options)
    wide = len(p["message_mlp.2.bias"])
    updates, moved = [], []
    for i in range(len(data.h)):
        sums = [torch.zeros(wide, dtype=data.h.dtype) for _ in range(len(p["w_r"]))]
        change = torch.zeros_like(data.coords[i])
        incoming = [e for e, edge in enumerate(data.edges) if edge[1] == i]
        for e in incoming:
            j, _, r = data.edges[e]
            sums[r] = sums[r] + data.edge_weights[e] * all_messages[e]
            change = change + p["w_r"][r] * coordinate_message(
                p, data, all_messages[e], i, j, options
            )
        if options.mean:
            change = change / max(len(incoming), 1)
        if not options.move_padding:
            change = change * (data.channel_weights[i] != 0)[:, None]
        updates.append(linear(torch.cat(sums), p["hetero_linear.weight"], p["hetero_linear.bias"]))
        moved.append(data.coords[i] + change)
    return data.h + silu(options.norm(torch.stack(updates))), torch.stack(moved)


def coordinate_message(
    p: Params, data: Inputs, m: Tensor, i: int, j: int, options: Options
) -> Tensor:
    """M_ij without w_r, [C, 3]."""
    z = linear(m, p["coord_mlp.0.weight"], p["coord_mlp.0.bias"])
    z = linear(silu(z), p["coord_mlp.2.weight"])
    centre = centroid(data.coords[j], data.channel_weights[j], options.centroid_eps)
    scale = pool(z, length(data.channel_weights[i]))
    return (data.coords[i] - centre) * scale[:, None]
