"""Short runs of a small model on a small store, without a command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.loading import ProteinMTDataModule
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.training import ReproducibleSteps, RunRecord
from tests.store.small_store import trainer

SIZE = {"hidden_dim": 8, "num_layers": 1, "channel_dim": 4, "relation_dim": 4}


def small_module(**settings: Any) -> MultiTaskModule:
    """A HeMeNet of a few hundred weights for two tasks."""
    torch.manual_seed(3)
    chosen: dict[str, Any] = {"tasks": ["lba", "ec"], "lr_scheduler": None, **settings}
    encoder = chosen.pop("encoder", None) or HeMeNet(**SIZE)
    return MultiTaskModule(encoder, **chosen)


def fitted(
    store: Path, folder: Path, *callbacks: Callback, module: Any = None, **options: Any
) -> Trainer:
    """A trainer that has trained; ``batch_graphs`` and the rest are options."""
    data = ProteinMTDataModule(str(store), batch_graphs=options.pop("batch_graphs", 3))
    ckpt_path = options.pop("ckpt_path", None)
    settings: dict[str, Any] = {"max_epochs": 2, "enable_checkpointing": True, **options}
    run = trainer(folder, callbacks=[RunRecord(), ReproducibleSteps(0), *callbacks], **settings)
    run.fit(module or small_module(), data, ckpt_path=ckpt_path, weights_only=True)
    return run
