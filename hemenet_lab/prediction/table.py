"""The table of named predictions that `lightning predict` leaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from hemenet_lab.model import MultiTaskModule, training_data_note
from hemenet_lab.tracking import tracker_of

if TYPE_CHECKING:
    from hemenet_lab.prediction.named import Prediction

FILE = "predictions.csv"


class PredictionTable(Callback):
    """Writes all predictions of ``trainer.predict`` to ``<folder>/<run id>/predictions.csv``.

    Each structure is there once, whatever the number of processes, in the order of the ids.

    Args:
        min_probability: Terms below are left out.
    """

    def __init__(self, min_probability: float = 0.1) -> None:
        self.min_probability = min_probability

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._found: list[Prediction] = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        from hemenet_lab.prediction.named import named_predictions

        assert isinstance(pl_module, MultiTaskModule)
        if bool(outputs["counted"].all()):  # copies make batches of their own
            self._found += named_predictions(
                outputs, pl_module.tasks, self.min_probability, training_data_note(pl_module)
            )

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        from hemenet_lab.prediction.named import write_csv

        parts = [self._found]
        if trainer.world_size > 1:
            parts *= trainer.world_size
            torch.distributed.all_gather_object(parts, self._found)
        if not trainer.is_global_zero:
            return
        tracker = tracker_of(trainer)
        folder = Path(trainer.default_root_dir)
        if tracker is not None:
            folder = tracker.folder / str(tracker.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted((one for part in parts for one in part), key=lambda one: one.entry)
        with (folder / FILE).open("w", newline="") as stream:
            write_csv(found, stream)
        rank_zero_info(f"Predictions: {folder / FILE}")
