from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hemenet_lab.training.files import AtomicCheckpointIO


def test_saved_checkpoint_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.ckpt"
    AtomicCheckpointIO().save_checkpoint({"x": torch.ones(2)}, path)
    loaded = AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
    assert torch.equal(loaded["x"], torch.ones(2))
    assert [p.name for p in path.parent.iterdir()] == ["a.ckpt"]


def test_interrupted_save_keeps_the_former_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)

    def half(value: object, stream: object) -> None:
        stream.write(b"half a file")  # type: ignore[attr-defined]  # an open file
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
