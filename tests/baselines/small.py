"""Every encoder of the zoo, small enough for a test."""

from __future__ import annotations

from typing import Any

import torch

from hemenet_lab.encoders.base import Encoder
from tests.baselines.graphs import from_config

WIDTH: dict[str, Any] = {"hidden_dim": 32, "num_layers": 2}
CHANNELS: dict[str, Any] = {"channel_dim": 8, "dropout": 0.0}
SMALL: dict[str, dict[str, Any]] = {
    "hemenet": WIDTH | CHANNELS | {"relation_dim": 8},
    "hemenet_alpha": WIDTH | CHANNELS | {"relation_dim": 8},
    "gcn": WIDTH,
    "gat": WIDTH | {"heads": 2},
    "schnet": WIDTH | {"num_filters": 32},
    "gearnet": WIDTH,
    "gearnet_fullatom": WIDTH | {"hidden_dim": 16},
    "egnn": WIDTH | {"message_dim": 32},
    "gvp": {
        "hidden_dim": 16,
        "num_layers": 1,
        "vector_dim": 4,
        "dropout": 0.0,
        "view": {"k": 10, "k_min_separation": 0, "sequence_offsets": []},
    },
    "dymean": WIDTH | CHANNELS,
    "get": {
        "hidden_dim": 16,
        "num_layers": 1,
        "radial_dim": 8,
        "num_heads": 2,
        "num_gaussians": 8,
        "dropout": 0.0,
    },
    "se3set": {
        "hidden_dim": 16,
        "vector_dim": 8,
        "tensor_dim": 8,
        "num_layers": 1,
        "mlp_ratio": 2,
        "num_radial": 8,
        "radial_dims": [8, 8],
    },
    "cdconv": {
        "channels": [16, 32],
        "radii": [8.0, 12.0],
        "kernel_channels": [8],
        "dropout": 0.0,
    },
}
"""Encoder → what makes its config small; dropout is off, so that a loss can reach zero."""


def small(name: str) -> Encoder:
    """The encoder of ``configs/encoder/<name>.yaml``, small, always with the same weights."""
    torch.manual_seed(0)
    return from_config(f"{name}.yaml", **SMALL[name])
