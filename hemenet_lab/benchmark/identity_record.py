"""Every fit records its identity; a run of a grid also keeps others from running it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from lightning.pytorch import LightningModule, Trainer

from hemenet_lab.benchmark.grid_run import GRID_TAG
from hemenet_lab.benchmark.identity import IDENTITY_TAG, identity
from hemenet_lab.benchmark.idle import record_idle
from hemenet_lab.tracking import SaveConfigArtifact, tracker_of

LOCK_SECONDS = 10.0
"""How long a fit waits for another process that only looks whether it runs."""


class RecordIdentity(SaveConfigArtifact):
    """Keeps the config of a run, its identity and how long it stood still before it was resumed.

    While a run of a grid trains and is tested, the file `lock_path` is locked; the system unlocks
    it when the process ends, however it ends.
    """

    _lock: FileLock | None = None

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        tracker = tracker_of(trainer)
        if tracker is not None and stage == "fit":
            data = trainer.datamodule  # type: ignore[attr-defined]  # set while running
            mark = identity(plain_config(self.parser, self.config), data.store.hash)
            if GRID_TAG in (tracker.tags or {}):
                self._lock = hold(tracker.folder, mark)
            tracker.set_tags({IDENTITY_TAG: mark, "seed": self.config.seed_everything})
            tracker.guarded("how long the run stood still", lambda: record_idle(tracker))
        super().save_config(trainer, pl_module, stage)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "test":
            self._release()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()


def plain_config(parser: Any, config: Any) -> dict[str, Any]:
    """A parsed config as ``--print_config`` shows it, defaults included, as plain data."""
    content: dict[str, Any] = yaml.safe_load(parser.dump(config, skip_unset=False))
    return content


def lock_path(folder: Path, mark: str) -> Path:
    """The file that is locked while the run of this identity is in progress."""
    return folder / "locks" / f"{mark[:16]}.lock"


def hold(folder: Path, mark: str) -> FileLock:
    """Lock a run.

    Raises:
        RuntimeError: Another process has it.
    """
    path = lock_path(folder, mark)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(path), timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise RuntimeError(
            f"another process is at this run (it holds {path}); wait for it, or end it first"
        ) from error
    return lock


def is_held(folder: Path, mark: str) -> bool:
    """Whether a process is at the run just now."""
    path = lock_path(folder, mark)
    if not path.exists():
        return False
    lock = FileLock(str(path), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False
