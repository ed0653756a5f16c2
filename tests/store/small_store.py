"""A store of a few dozen labelled entries and a model that learns nothing, for loader tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer

from hemenet_lab.store.reader import Store, StoreWriter
from tests.store.entries import TASKS, random_entry

PARTS = ["train"] * 7 + ["val", "test", "unused"]


def small_store(path: Path, count: int = 50) -> Store:
    """Every tenth entry is for validation, test and nothing; all tasks have labels but CC."""
    with StoreWriter(path, TASKS) as writer:
        parts = {}
        for seed in range(count):
            rng = np.random.default_rng(seed)
            values = {"lba": 5.0 + seed / 10} if seed % 4 == 0 else {}
            values |= {"ppa": 7.0} if seed % 6 == 1 else {}
            terms: dict[str, dict[int, list[int]]] = {}
            if seed % 4:
                terms["ec"] = {0: rng.choice(5, size=2, replace=False).tolist(), 1: [3]}
                terms["mf"] = {1: [int(rng.integers(4))]}
            if seed % 3:
                terms["bp"] = {0: [0, 5]}
            chains = (int(rng.integers(3, 9)), 4)
            entry = random_entry(seed, chains=chains, ligand=2, values=values, terms=terms)
            writer.add(entry)
            parts[entry.id] = PARTS[seed % 10]
        writer.set_split("default", parts)
        writer.close()
    return Store(path)


class Recorder(LightningModule):
    """Keeps the ids of the batches that it sees, in ``<folder>/<stage>-<rank>.jsonl``."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.counted: dict[str, int] = {}

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self._write("train", [self.current_epoch, batch_idx, batch.entry_id])
        return self.weight.sum() + batch.pos.sum() * 0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        labelled = [int(batch[f"mask_{task.name}"].sum()) for task in TASKS]
        self._write("val", [batch.entry_id, batch.counted.tolist(), labelled])

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._write("test", [batch.entry_id, batch.counted.tolist(), []])

    def predict_step(self, batch: Any, batch_idx: int) -> list[str]:
        self._write("predict", [batch.entry_id, batch.counted.tolist(), []])
        return list(batch.entry_id)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def _write(self, stage: str, record: Any) -> None:
        if self.trainer.sanity_checking:
            return
        with open(f"{self.folder}/{stage}-{self.global_rank}.jsonl", "a") as file:
            file.write(json.dumps(record) + "\n")


def read(folder: Path, stage: str, rank: int = 0) -> list[Any]:
    """What a `Recorder` wrote."""
    path = Path(folder) / f"{stage}-{rank}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def trainer(folder: Path, **options: Any) -> Trainer:
    """A quiet trainer on one CPU process."""
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "num_sanity_val_steps": 0,
        "accelerator": "cpu",
        "devices": 1,
        "default_root_dir": folder,
    }
    return Trainer(**{**quiet, **options})
