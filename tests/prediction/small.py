"""A small model and its checkpoint, untrained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hemenet_lab.encoders.hemenet import HeMeNet
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.saved.checkpoint import LIGHTNINGS_INSTANTIATOR, MODEL
from hemenet_lab.store.reader import Store

SMALL: dict[str, Any] = {
    "hidden_dim": 16,
    "num_layers": 2,
    "channel_dim": 8,
    "relation_dim": 8,
    "dropout": 0.2,
}


def checkpoint(store: Store, path: Path, seed: int = 0, **more: Any) -> Path:
    torch.manual_seed(seed)
    module = MultiTaskModule(HeMeNet(**SMALL))
    module.build(store.tasks)
    encoder = {"class_path": "hemenet_lab.encoders.HeMeNet", "init_args": SMALL}
    content = {
        MODEL: {"encoder": encoder, "_instantiator": LIGHTNINGS_INSTANTIATOR},
        "tasks": [task.to_dict() for task in store.tasks],
        "state_dict": module.state_dict(),
    }
    torch.save({**content, **more}, path)
    return path
