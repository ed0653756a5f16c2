"""What a word for a checkpoint means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from hemenet_lab.tracking import Tag, Tracker, resolve_checkpoint


def _checkpoint(path: Path, age: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_files_and_folders(tmp_path: Path) -> None:
    last = _checkpoint(tmp_path / "a" / "checkpoints" / "last.ckpt")
    assert resolve_checkpoint(last) == last
    assert resolve_checkpoint(str(tmp_path / "a")) == last
    _checkpoint(tmp_path / "a" / "checkpoints" / "epoch001.ckpt", age=10)
    best = _checkpoint(tmp_path / "a" / "checkpoints" / "epoch003.ckpt", age=5)
    for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "checkpoints"):
        assert resolve_checkpoint(folder) == best
    averaged = _checkpoint(tmp_path / "a" / "checkpoints" / "averaged.ckpt")
    assert resolve_checkpoint(tmp_path / "a") == averaged
    _checkpoint(tmp_path / "b" / "checkpoints" / "last.ckpt")
    with pytest.raises(ValueError, match=r"holds 2 runs; give a \.ckpt file"):
        resolve_checkpoint(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no run with a checkpoint"):
        resolve_checkpoint(tmp_path / "empty")


def test_run_ids(tmp_path: Path) -> None:
    tracker = Tracker(folder=str(tmp_path))
    run = str(tracker.run_id)
    with pytest.raises(ValueError, match=f"run {run} has no checkpoint on this machine"):
        resolve_checkpoint(run, tmp_path)
    folder = tmp_path / run / "checkpoints"
    last = _checkpoint(folder / "last.ckpt")
    assert resolve_checkpoint(run, tmp_path) == last
    best = _checkpoint(folder / "epoch002.ckpt")
    _checkpoint(folder / "epoch004.ckpt", age=-9)
    tracker.set_tags({Tag.BEST_CHECKPOINT: str(best)})
    tracker.finalize()
    assert resolve_checkpoint(run, tmp_path) == best
    with pytest.raises(ValueError, match="not found"):
        resolve_checkpoint("0" * 32, tmp_path)
    with pytest.raises(ValueError, match=r"no MLflow database.*give a .ckpt file"):
        resolve_checkpoint("0" * 32, tmp_path / "elsewhere")


def test_registered_models(tmp_path: Path) -> None:
    tracker = Tracker(folder=str(tmp_path))
    assert tracker.run_id
    client = MlflowClient(tracker.uri, registry_uri=tracker.uri)
    path = _checkpoint(tmp_path / "kept" / "artifacts" / "model.ckpt")
    client.create_registered_model("hemenet")
    client.create_model_version("hemenet", (tmp_path / "kept").as_uri(), tracker.run_id)
    client.set_registered_model_alias("hemenet", "champion", "1")
    assert resolve_checkpoint("models:/hemenet/1", tmp_path) == path
    assert resolve_checkpoint("models:/hemenet@champion", tmp_path) == path
    with pytest.raises(ValueError, match="models:/hemenet/2 cannot be had"):
        resolve_checkpoint("models:/hemenet/2", tmp_path)
    with pytest.raises(ValueError, match="not of the form"):
        resolve_checkpoint("models:/hemenet", tmp_path)
    _checkpoint(tmp_path / "kept" / "second.ckpt")
    with pytest.raises(ValueError, match="holds 2 checkpoints"):
        resolve_checkpoint("models:/hemenet/1", tmp_path)


@pytest.mark.parametrize("word", ["last", "nothing.ckpt", "models", "", "a/b"])
def test_other_words(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"not found|no run with a checkpoint"):
        resolve_checkpoint(word)
