"""Checkpoints of a run: whole or not there, in the run's own folder, with its provenance."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info

from hemenet_lab.tracking import Tag, checkpoint_folder, tracker_of

RUN_KEY = "mlflow_run_id"
"""Where a checkpoint keeps the run that it belongs to."""


class RunCheckpoint(ModelCheckpoint):
    """ModelCheckpoint in ``<folder>/<run id>/checkpoints``, so that every run has its own place.

    Keeps the best checkpoint by ``monitor``, and the last one after every epoch.

    Args:
        monitor: Metric to compare; ``val/score`` weighs all tasks alike.
        mode: ``max`` or ``min``.
        save_top_k: How many of the best are kept.
        every_n_train_steps: Also write the last checkpoint within an epoch, for long epochs.
    """

    def __init__(
        self,
        monitor: str = "val/score",
        mode: str = "max",
        save_top_k: int = 1,
        every_n_train_steps: int | None = None,
    ) -> None:
        super().__init__(
            monitor=monitor,
            mode=mode,
            save_top_k=save_top_k,
            save_last=True,
            filename="epoch{epoch:03d}",
            auto_insert_metric_name=False,
            enable_version_counter=False,  # an epoch that is repeated replaces its checkpoint
        )
        self.last_every_n_steps = every_n_train_steps
        self._last_written = 0
        """Optimizer step of ``last.ckpt``."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.dirpath is None and stage == "fit":
            tracker = tracker_of(trainer)
            root = Path(trainer.default_root_dir) / "checkpoints"
            if tracker is not None and trainer.is_global_zero:
                root = checkpoint_folder(tracker.folder, str(tracker.run_id))
            self.dirpath = str(trainer.strategy.broadcast(str(root)))
        super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._last_written = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        super().on_train_batch_end(trainer, *args, **kwargs)
        every, step = self.last_every_n_steps, trainer.global_step
        # once per step: between batches whose gradients are accumulated a checkpoint loses these
        if every and step % every == 0 and step > self._last_written:
            self._save_last(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if not any(trainer.num_val_batches) and not self._should_skip_saving_checkpoint(trainer):
            self._save_last(trainer)  # without validation nothing else does before the end

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_last(trainer)  # Lightning writes it only after an epoch among the best

    def _save_last(self, trainer: Trainer) -> None:
        """Write ``last.ckpt``, and still let this step's checkpoint be kept as one of the best."""
        step = self._last_global_step_saved
        self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))
        self._last_global_step_saved = step
        self._last_written = trainer.global_step


class RunRecord(Callback):
    """Writes a run's provenance to MLflow and its id into every checkpoint."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        tracker = tracker_of(trainer)
        if tracker is None or not trainer.is_global_zero:
            return
        store = getattr(trainer.datamodule, "store", None)  # type: ignore[attr-defined]  # set by fit
        parameters = {
            f"parameters/{name}": sum(p.numel() for p in child.parameters())
            for name, child in pl_module.named_children()
            if any(True for _ in child.parameters())
        }
        parameters["parameters/total"] = sum(p.numel() for p in pl_module.parameters())
        tracker.log_metrics({name: float(count) for name, count in parameters.items()}, step=0)
        tracker.set_tags(
            {
                Tag.REVISION: git_revision(),
                Tag.STORE: getattr(store, "hash", "unknown"),
                Tag.SYNTHETIC: bool(getattr(store, "manifest", {}).get("synthetic", False)),
                Tag.TORCH: torch.__version__,
                Tag.DEVICES: trainer.num_devices * trainer.num_nodes,
            }
        )

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        tracker = tracker_of(trainer)
        if tracker is not None and trainer.is_global_zero:
            checkpoint[RUN_KEY] = tracker.run_id

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        tracker = tracker_of(trainer)
        best = getattr(trainer.checkpoint_callback, "best_model_path", "")
        if tracker is None or not trainer.is_global_zero:
            return
        tracker.set_tags({Tag.BEST_CHECKPOINT: best})
        rank_zero_info(
            f"Best checkpoint: {best or 'none'}\n"
            f"See the run: mlflow ui --backend-store-uri {tracker.uri}"
        )


def git_revision() -> str:
    """Commit of the checkout that holds the package, with ``+changes`` if files differ from it."""
    folder = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the final place and renames, which a local file system does in one step.

    Lightning writes into the temporary folder and moves the file; from another file system that is
    a copy, and a kill in the middle of it leaves half a checkpoint. Remote addresses
    (``s3://…``) are left to Lightning.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save ``checkpoint`` at ``path``; an older file there stays until the new one is whole."""
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        with partial.open("wb") as stream:
            torch.save(checkpoint, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, target)
