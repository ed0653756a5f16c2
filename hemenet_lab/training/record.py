"""A run's own folder, whatever logs it, and its provenance."""

from __future__ import annotations

import re
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_info

from hemenet_lab.tracking import Tag, tracker_of
from hemenet_lab.training.files import write_whole

RUN_KEY = "mlflow_run_id"
"""Where a checkpoint keeps the run that it belongs to."""
RUNS = "runs"
"""Folder of the runs that no `Tracker` records, in the trainer's ``default_root_dir``."""
CONFIG = "config.yaml"
_ATTRIBUTE = "hemenet_run_folder"
"""Where a trainer carries its run's folder, also to processes that it spawns."""


def run_folder(trainer: Trainer) -> Path:
    """Folder of a trainer's run: checkpoints, config, results and predictions.

    ``<folder of the Tracker>/<run id>``, or without a `Tracker` a new ``runs/<time>-<letters>``.
    Rank 0 chooses it; others ask after `RunRecord.setup`, or get what they would have chosen.
    """
    known: str | None = getattr(trainer, _ATTRIBUTE, None)
    if known is not None:
        return Path(known)
    tracker = tracker_of(trainer)
    if tracker is not None:
        folder = tracker.folder / str(tracker.run_id)
    else:
        name = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{secrets.token_hex(3)}"
        folder = Path(trainer.default_root_dir).resolve() / RUNS / name
    set_run_folder(trainer, folder)
    return folder


def set_run_folder(trainer: Trainer, folder: Path) -> None:
    """Let a trainer go on in a folder."""
    setattr(trainer, _ATTRIBUTE, str(folder))


def share_run_folder(trainer: Trainer) -> Path:
    """`run_folder` of rank 0, for all processes; all of them call it."""
    chosen = str(run_folder(trainer)) if trainer.is_global_zero else ""
    set_run_folder(trainer, Path(trainer.strategy.broadcast(chosen)))
    return run_folder(trainer)


class RunRecord(Callback):
    """Keeps a run's config in its folder, and its provenance in MLflow and in checkpoints."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        tracker = tracker_of(trainer)
        if tracker is not None and stage == "fit" and trainer.is_global_zero:
            tracker.suggest_name("-".join(_words(trainer, pl_module).values()).lower())
            tracker.begin_fit()
        if tracker is not None and stage != "fit" and trainer.is_global_zero and not tracker.joined:
            tracker.set_tags(_data_tags(trainer))
        folder = share_run_folder(trainer)
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        for saver in trainer.callbacks:  # type: ignore[attr-defined]  # a plain list
            if stage == "fit" and isinstance(saver, SaveConfigCallback):
                text = saver.parser.dump(saver.config, skip_unset=False)
                write_whole(folder / CONFIG, text.encode())

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        tracker = tracker_of(trainer)
        if tracker is None or not trainer.is_global_zero:
            return
        store = getattr(trainer.datamodule, "store", None)  # type: ignore[attr-defined]  # set by fit
        counts = {
            f"parameters/{name}": sum(p.numel() for p in child.parameters())
            for name, child in pl_module.named_children()
            if any(True for _ in child.parameters())
        }
        counts["parameters/total"] = sum(p.numel() for p in pl_module.parameters())
        tracker.log_hyperparams(counts)
        words = _words(trainer, pl_module)
        words.pop("seed", None)
        tracker.set_tags(
            {
                Tag.REVISION: git_revision(),
                **_data_tags(trainer),
                Tag.TORCH: torch.__version__,
                Tag.DEVICES: trainer.num_devices * trainer.num_nodes,
                **words,
            }
        )
        if store is not None:
            tracker.log_data(
                str(store.path), store.hash, bool(store.manifest.get("synthetic", False))
            )

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        tracker = tracker_of(trainer)
        if tracker is not None and trainer.is_global_zero:
            checkpoint[RUN_KEY] = tracker.run_id

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        best = getattr(trainer.checkpoint_callback, "best_model_path", "")
        if not trainer.is_global_zero:
            return
        rank_zero_info(f"Best checkpoint: {best or 'none'}")
        tracker = tracker_of(trainer)
        if tracker is None:
            rank_zero_info(f"The run's folder: {run_folder(trainer)}")
        else:
            tracker.set_tags({Tag.BEST_CHECKPOINT: best})
            rank_zero_info(f"See the run: {tracker.page}")


def _data_tags(trainer: Trainer) -> dict[str, Any]:
    """Which data a run is about, and whether a program has made them."""
    store = getattr(trainer.datamodule, "store", None)  # type: ignore[attr-defined]  # set by fit
    return {
        Tag.STORE: getattr(store, "hash", "unknown"),
        Tag.SYNTHETIC: bool(getattr(store, "manifest", {}).get("synthetic", False)),
    }


def _words(trainer: Trainer, module: LightningModule) -> dict[str, str]:
    """What a run is: encoder, readout, tasks and seed, as far as the module has them."""
    found: dict[str, str] = {}
    if hasattr(module, "encoder"):
        found["encoder"] = type(module.encoder).__name__
    readouts = [*getattr(module, "readouts", {}).values()]
    if readouts:
        name = type(readouts[0]).__name__
        found["readout"] = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    asked = getattr(module, "task_names", None)
    found["tasks"] = "all" if not asked else "+".join(asked)
    seed = getattr(trainer.datamodule, "seed", None)  # type: ignore[attr-defined]  # set by fit
    if seed is not None:
        found["seed"] = f"s{seed}"
    return found


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
