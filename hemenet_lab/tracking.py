"""MLflow record of each run: metrics, resolved config, provenance, checkpoints in a known place."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only, rank_zero_warn

RUN_KEY = "mlflow_run_id"
"""Where a checkpoint keeps the run that it belongs to."""


class Tracker(MLFlowLogger):
    """MLFlowLogger on a local sqlite database, whose failures never stop a training.

    The database is ``<folder>/mlruns.db`` and artifacts go to ``<folder>/artifacts``, unless
    ``tracking_uri`` (or the environment variable MLFLOW_TRACKING_URI) names a server.

    Args:
        experiment_name: Runs of one experiment are listed together.
        run_name: Name of the run; MLflow's random name if None.
        folder: Where the database, the artifacts and the checkpoints of the runs go.
        tracking_uri: Address of a tracking server or another database.
        tags: Tags of the run.
        run_id: Continue this run instead of starting one.
    """

    def __init__(
        self,
        experiment_name: str = "protein-mt",
        run_name: str | None = None,
        folder: str = "runs",
        tracking_uri: str | None = None,
        tags: dict[str, Any] | None = None,
        run_id: str | None = None,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._failures: set[str] = set()
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        local = uri is None
        uri = uri or f"sqlite:///{self.folder / 'mlruns.db'}"
        with self._lock():  # two processes that create the database at once destroy it
            super().__init__(
                experiment_name=experiment_name,
                run_name=run_name,
                tracking_uri=uri,
                tags=tags,
                artifact_location=(self.folder / "artifacts").as_uri() if local else None,
                run_id=run_id,
            )

    def _lock(self) -> FileLock:
        return FileLock(str(self.folder / "mlruns.db.lock"))

    @property
    def uri(self) -> str:
        """Address of the tracking database or server."""
        return self._tracking_uri

    @property
    def run_id(self) -> str | None:
        if self._initialized:
            return self._run_id
        with self._lock():
            return super().run_id

    def resume(self, run_id: str) -> None:
        """Continue a run that this database knows; say so and start a new one otherwise."""
        try:
            self._mlflow_client.get_run(run_id)
        except Exception as error:
            rank_zero_warn(f"run {run_id} of the checkpoint is not in {self.uri} ({error}); new run")
        else:
            self._run_id = run_id

    def guarded(self, what: str, action: Callable[[], Any]) -> None:
        """Do ``action``; a failure is reported once for each ``what`` and training goes on."""
        try:
            action()
        except Exception as error:
            if what not in self._failures:
                self._failures.add(what)
                rank_zero_warn(f"MLflow could not record {what} ({error}); training goes on")

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.guarded("metrics", lambda: MLFlowLogger.log_metrics(self, metrics, step))

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]  # as used
        self.guarded("parameters", lambda: MLFlowLogger.log_hyperparams(self, params))

    @rank_zero_only
    def log_text(self, text: str, name: str) -> None:
        """Keep ``text`` as the artifact ``name`` of the run."""
        self.guarded(name, lambda: self.experiment.log_text(self.run_id, text, name))

    @rank_zero_only
    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""

        def write() -> None:
            for key, value in tags.items():
                self.experiment.set_tag(self.run_id, key, value)

        self.guarded("tags", write)

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        self.guarded("the end of the run", lambda: MLFlowLogger.finalize(self, status))


def tracker_of(trainer: Trainer) -> Tracker | None:
    """The trainer's `Tracker`, if it has one."""
    return next((logger for logger in trainer.loggers if isinstance(logger, Tracker)), None)


class SaveConfigArtifact(SaveConfigCallback):
    """Keeps the whole resolved config as the artifact ``config.yaml`` of the run."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        tracker = tracker_of(trainer)
        if tracker is not None:
            tracker.log_text(self.parser.dump(self.config, skip_none=False), "config.yaml")


class RunCheckpoint(ModelCheckpoint):
    """ModelCheckpoint in ``<folder>/<run id>/checkpoints``, so that every run has its own place.

    Keeps the best checkpoint by ``monitor`` and the last one.

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
        )
        self.last_every_n_steps = every_n_train_steps

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.dirpath is None and stage == "fit":
            tracker = tracker_of(trainer)
            root = Path(trainer.default_root_dir) / "checkpoints"
            if tracker is not None and trainer.is_global_zero:
                root = tracker.folder / str(tracker.run_id) / "checkpoints"
            self.dirpath = str(trainer.strategy.broadcast(str(root)))
        super().setup(trainer, pl_module, stage)

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        super().on_train_batch_end(trainer, *args, **kwargs)
        every = self.last_every_n_steps
        if every and trainer.global_step % every == 0 and trainer.global_step > 0:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))


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
                "git_revision": git_revision(),
                "store_hash": getattr(store, "hash", "unknown"),
                "synthetic_data": bool(getattr(store, "manifest", {}).get("synthetic", False)),
                "torch": torch.__version__,
                "devices": trainer.num_devices * trainer.num_nodes,
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
        tracker.set_tags({"best_checkpoint": best})
        rank_zero_info(
            f"Best checkpoint: {best or 'none'}\n"
            f"See the run: mlflow ui --backend-store-uri {tracker.uri}"
        )


def git_revision() -> str:
    """Commit of the checkout that holds the package, with ``+changes`` if files differ from it."""
    folder = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
