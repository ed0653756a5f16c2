"""Identity of runs: a hash of the resolved config, the store and the seed.

Every fit records it; a run of a grid also keeps other processes from running it at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from hemenet_lab.basics import former_paths
from hemenet_lab.embeddings import ModelName
from hemenet_lab.tracking.artifacts import Artifact
from hemenet_lab.tracking.runs import Tag
from hemenet_lab.tracking.tracker import tracker_of

VOLATILE = (
    "ckpt_path",
    "weights_only",
    "checkpoint.every_n_train_steps",
    "data.root",  # a path; what is in the store has its own hash
    "data.num_workers",
    "data.pin_memory",
    "tracking",
    "trainer.logger",
    "trainer.default_root_dir",
    "trainer.enable_autolog_hparams",
    "trainer.enable_model_summary",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "trainer.model_registry",
    "trainer.profiler",
)
"""Settings that change where and how a run is recorded or how fast it is, not its result."""

LATER = {
    ("model", "standardise"): False,
    ("model", "compile"): False,
    ("model", "freeze"): None,
    ("model", "unfreeze_at_epoch"): None,
    ("model", "learning_rates"): None,
    ("model", "node_input"): None,
    ("view", "crop"): 0,
    ("view", "chemistry"): False,
    ("", "init_from"): None,
    ("view", "k_filter"): "before",
    ("view", "atom_offsets"): "same_slot",
    ("init_args", "distance_gaussians"): 0,
    ("init_args", "reduce"): "sum",
    ("init_args", "remember"): False,
}
"""Settings, with what they are in, that came later: at these values a run is as it was before."""

LOCK_SECONDS = 10.0
"""Time that a fit waits for another process that only looks whether it runs."""


def run_identity(config: Mapping[str, Any], store_hash: str) -> str:
    """SHA-256 (hexadecimal) of what decides a run's result.

    Args:
        config: The resolved config of a fit, as ``--print_config`` shows it, with its seed.
        store_hash: Hash of the data.
    """
    kept = former_paths(_as_before(_numbers(_without(config, VOLATILE))))
    if given := _language_model(kept):
        with suppress(ValueError):  # a folder that is not here keeps its name
            given["model"] = ModelName(given["model"], given.get("revision")).identity
            given.pop("revision", None)
    text = json.dumps({"config": kept, "store": store_hash}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _language_model(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Settings that name the language model of a run: its path is not what decides the result."""
    node_input = (config.get("model") or {}).get("node_input")
    given = node_input.get("init_args") if isinstance(node_input, dict) else None
    return given if isinstance(given, dict) and isinstance(given.get("model"), str) else None


def _numbers(value: Any) -> Any:
    """The same with 2 for 2.0: which of them a parser makes of "2" depends on what is imported.

    1 and 1.0 stay apart, since Lightning's limits mean one batch and all batches by them.
    """
    if isinstance(value, Mapping):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbers(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and value != 1.0:
        return int(value)
    return value


def _as_before(value: Any, parent: str = "") -> Any:
    """The same without settings that came later and are at the value that changes nothing."""
    if isinstance(value, Mapping):
        return {
            key: _as_before(inner, key)
            for key, inner in value.items()
            if (parent, key) not in LATER or LATER[parent, key] != inner
        }
    if isinstance(value, (list, tuple)):
        return [_as_before(inner) for inner in value]
    return value


def _without(config: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """A copy of nested settings without some of them."""
    heads = {path for path in paths if "." not in path}
    kept: dict[str, Any] = {}
    for key, value in config.items():
        inner = [path.partition(".")[2] for path in paths if path.startswith(f"{key}.")]
        if key not in heads:
            kept[key] = _without(value, inner) if isinstance(value, Mapping) and inner else value
    return kept


class RecordIdentity(SaveConfigCallback):
    """Records the config of a run and its identity.

    While a run of a grid trains and is tested, the file `lock_path` is locked; the system unlocks
    it when the process ends, however it ends.
    """

    _lock: FileLock | None = None

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        tracker = tracker_of(trainer)
        if tracker is None:
            return
        if stage != "fit":  # the run may be that of the checkpoint, with a config of its own
            text = self.parser.dump(self.config, skip_unset=False)
            tracker.log_text(text, tracker.own_name(Artifact.CONFIG))
            return
        data = trainer.datamodule  # type: ignore[attr-defined]  # set while running
        config = plain_config(self.parser, self.config)
        mark = run_identity(config, data.store.hash)
        if Tag.GRID in (tracker.tags or {}):
            self._lock = hold(tracker.folder, mark)
        tracker.set_tags({Tag.IDENTITY: mark, Tag.SEED: self.config.seed_everything})
        tracker.log_hyperparams(_without(config, ("trainer.logger", "trainer.callbacks")))
        tracker.log_text(self.parser.dump(self.config, skip_unset=False), Artifact.CONFIG)

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
    """Path of the file that is locked while the run of this identity is in progress."""
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
    """Return whether a process is at the run just now."""
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
